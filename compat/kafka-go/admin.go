package main

import (
	"context"
	"fmt"
	"strings"

	"higgins.invalid/compat/golang"

	"github.com/segmentio/kafka-go"
)

// with gives do a client and a deadline.
func (c client) with(do func(context.Context, *kafka.Client) error) error {
	within, cancel := context.WithTimeout(context.Background(), golang.CallTimeout)
	defer cancel()
	return do(within, &kafka.Client{Addr: kafka.TCP(c.bootstrap)})
}

func (c client) Topics() ([]string, error) {
	names := []string{}
	err := c.with(func(within context.Context, admin *kafka.Client) error {
		found, err := admin.Metadata(within, &kafka.MetadataRequest{})
		if err != nil {
			return err
		}
		for _, topic := range found.Topics {
			names = append(names, topic.Name)
		}
		return nil
	})
	return names, err
}

func (c client) CreateTopic(name string, partitions int32) error {
	return c.with(func(within context.Context, admin *kafka.Client) error {
		wanted := []kafka.TopicConfig{{Topic: name, NumPartitions: int(partitions), ReplicationFactor: 1}}
		done, err := admin.CreateTopics(within, &kafka.CreateTopicsRequest{Topics: wanted})
		if err != nil {
			return err
		}
		return done.Errors[name]
	})
}

// Calls wraps each of the calls below. The library has none for deleting records.
func (c client) Calls() map[string]golang.Call {
	calls := map[string]golang.Call{}
	for name, call := range map[string]func(context.Context, *kafka.Client, golang.Arguments) (any, error){
		"alter_configs":     alterConfigs,
		"commit_for":        commitFor,
		"committed":         committed,
		"create_partitions": createPartitions,
		"delete_committed":  deleteCommitted,
		"delete_group":      deleteGroup,
		"delete_topic":      deleteTopic,
		"describe_configs":  describeConfigs,
		"describe_group":    describeGroup,
		"groups":            groups,
		"nodes":             nodes,
		"offsets":           offsets,
	} {
		calls[name] = func(given golang.Arguments) (result any, err error) {
			err = c.with(func(within context.Context, admin *kafka.Client) error {
				result, err = call(within, admin, given)
				return err
			})
			return result, err
		}
	}
	return calls
}

func nodes(within context.Context, admin *kafka.Client, _ golang.Arguments) (any, error) {
	answered, err := admin.Metadata(within, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, one := range answered.Brokers {
		found = append(found, fmt.Sprintf("%s:%d", one.Host, one.Port))
	}
	return found, nil
}

func deleteTopic(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	done, err := admin.DeleteTopics(within, &kafka.DeleteTopicsRequest{Topics: []string{given.Name}})
	if err != nil {
		return nil, err
	}
	return nil, done.Errors[given.Name]
}

func createPartitions(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	wanted := []kafka.TopicPartitionsConfig{{Name: given.Topic, Count: int32(given.Count)}}
	done, err := admin.CreatePartitions(within, &kafka.CreatePartitionsRequest{Topics: wanted})
	if err != nil {
		return nil, err
	}
	return nil, done.Errors[given.Topic]
}

func describeConfigs(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	which := []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: given.Topic}}
	answered, err := admin.DescribeConfigs(within, &kafka.DescribeConfigsRequest{Resources: which})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, entry := range answered.Resources[0].ConfigEntries {
		found[entry.ConfigName] = entry.ConfigValue
	}
	return found, answered.Resources[0].Error
}

func alterConfigs(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: given.Topic}
	for name, value := range given.Changed {
		change := kafka.IncrementalAlterConfigsRequestConfig{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}
		resource.Configs = append(resource.Configs, change)
	}
	for _, name := range given.Deleted {
		change := kafka.IncrementalAlterConfigsRequestConfig{Name: name, ConfigOperation: kafka.ConfigOperationDelete}
		resource.Configs = append(resource.Configs, change)
	}
	wanted := []kafka.IncrementalAlterConfigsRequestResource{resource}
	done, err := admin.IncrementalAlterConfigs(within, &kafka.IncrementalAlterConfigsRequest{Resources: wanted})
	if err != nil {
		return nil, err
	}
	return nil, done.Resources[0].Error
}

func offsets(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	which := []kafka.OffsetRequest{kafka.FirstOffsetOf(int(given.Partition)), kafka.LastOffsetOf(int(given.Partition))}
	answered, err := admin.ListOffsets(within, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{given.Topic: which}})
	if err != nil {
		return nil, err
	}
	found := answered.Topics[given.Topic][0]
	return []int64{found.FirstOffset, found.LastOffset}, found.Error
}

func groups(within context.Context, admin *kafka.Client, _ golang.Arguments) (any, error) {
	answered, err := admin.ListGroups(within, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, one := range answered.Groups {
		found = append(found, one.GroupID)
	}
	return found, answered.Error
}

func describeGroup(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	answered, err := admin.DescribeGroups(within, &kafka.DescribeGroupsRequest{GroupIDs: []string{given.Group}})
	if err != nil {
		return nil, err
	}
	one := answered.Groups[0]
	return []any{strings.ToLower(one.GroupState), len(one.Members)}, one.Error
}

func deleteGroup(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	done, err := admin.DeleteGroups(within, &kafka.DeleteGroupsRequest{GroupIDs: []string{given.Group}})
	if err != nil {
		return nil, err
	}
	return nil, done.Errors[given.Group]
}

func committed(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	topics, err := admin.Metadata(within, &kafka.MetadataRequest{Topics: []string{given.Topic}})
	if err != nil {
		return nil, err
	}
	which := map[string][]int{}
	for _, one := range topics.Topics[0].Partitions {
		which[given.Topic] = append(which[given.Topic], one.ID)
	}
	answered, err := admin.OffsetFetch(within, &kafka.OffsetFetchRequest{GroupID: given.Group, Topics: which})
	if err != nil {
		return nil, err
	}
	found := map[int]int64{}
	for _, one := range answered.Topics[given.Topic] {
		if one.CommittedOffset >= 0 {
			found[one.Partition] = one.CommittedOffset
		}
	}
	return found, answered.Error
}

func commitFor(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	var wanted []kafka.OffsetCommit
	for partition, offset := range given.Offsets {
		wanted = append(wanted, kafka.OffsetCommit{Partition: int(partition), Offset: offset})
	}
	request := &kafka.OffsetCommitRequest{
		GroupID: given.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{given.Topic: wanted},
	}
	done, err := admin.OffsetCommit(within, request)
	if err != nil {
		return nil, err
	}
	for _, one := range done.Topics[given.Topic] {
		if one.Error != nil {
			err = one.Error
		}
	}
	return nil, err
}

func deleteCommitted(within context.Context, admin *kafka.Client, given golang.Arguments) (any, error) {
	var which []int
	for _, partition := range given.Partitions {
		which = append(which, int(partition))
	}
	request := &kafka.OffsetDeleteRequest{GroupID: given.Group, Topics: map[string][]int{given.Topic: which}}
	done, err := admin.OffsetDelete(within, request)
	if err != nil {
		return nil, err
	}
	for _, one := range done.Topics[given.Topic] {
		if one.Error != nil {
			err = one.Error
		}
	}
	return nil, err
}
