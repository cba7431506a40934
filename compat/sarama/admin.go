package main

import (
	"errors"
	"strings"

	"higgins.invalid/compat/golang"

	"github.com/IBM/sarama"
)

// with gives do an admin of its own.
func (c client) with(do func(sarama.ClusterAdmin) error) error {
	admin, err := sarama.NewClusterAdmin(c.addresses, settings())
	if err != nil {
		return err
	}
	return errors.Join(do(admin), admin.Close())
}

func (c client) Topics() ([]string, error) {
	names := []string{}
	err := c.with(func(admin sarama.ClusterAdmin) error {
		topics, err := admin.ListTopics()
		for name := range topics {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func (c client) CreateTopic(name string, partitions int32) error {
	return c.with(func(admin sarama.ClusterAdmin) error {
		return admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
	})
}

// Calls wraps each of the calls below.
func (c client) Calls() map[string]golang.Call {
	calls := map[string]golang.Call{"offsets": c.offsets}
	for name, call := range map[string]func(sarama.ClusterAdmin, golang.Arguments) (any, error){
		"alter_configs":     alterConfigs,
		"commit_for":        commitFor,
		"committed":         committed,
		"create_partitions": createPartitions,
		"delete_committed":  deleteCommitted,
		"delete_group":      deleteGroup,
		"delete_records":    deleteRecords,
		"delete_topic":      deleteTopic,
		"describe_configs":  describeConfigs,
		"describe_group":    describeGroup,
		"groups":            groups,
		"nodes":             nodes,
	} {
		calls[name] = func(given golang.Arguments) (result any, err error) {
			err = c.with(func(admin sarama.ClusterAdmin) error {
				result, err = call(admin, given)
				return err
			})
			return result, err
		}
	}
	return calls
}

func (c client) offsets(given golang.Arguments) (any, error) {
	kafka, err := sarama.NewClient(c.addresses, settings())
	if err != nil {
		return nil, err
	}
	defer kafka.Close()
	first, err := kafka.GetOffset(given.Topic, given.Partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	next, err := kafka.GetOffset(given.Topic, given.Partition, sarama.OffsetNewest)
	return []int64{first, next}, err
}

func nodes(admin sarama.ClusterAdmin, _ golang.Arguments) (any, error) {
	brokers, _, err := admin.DescribeCluster()
	var found []string
	for _, one := range brokers {
		found = append(found, one.Addr())
	}
	return found, err
}

func deleteTopic(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	return nil, admin.DeleteTopic(given.Name)
}

func createPartitions(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	return nil, admin.CreatePartitions(given.Topic, int32(given.Count), nil, false)
}

func describeConfigs(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	which := []*sarama.ConfigResource{{Type: sarama.TopicResource, Name: given.Topic}}
	resources, err := admin.DescribeConfigs(which, sarama.DescribeConfigsOptions{})
	found := map[string]string{}
	for _, resource := range resources {
		for _, entry := range resource.Configs {
			found[entry.Name] = entry.Value
		}
	}
	return found, err
}

func alterConfigs(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	changes := map[string]sarama.IncrementalAlterConfigsEntry{}
	for name, value := range given.Changed {
		changes[name] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	}
	for _, name := range given.Deleted {
		changes[name] = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationDelete}
	}
	return nil, admin.IncrementalAlterConfig(sarama.TopicResource, given.Topic, changes, false)
}

// deleteRecords answers with what was asked for: the library does not hand out the broker's answer.
func deleteRecords(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	return given.Before, admin.DeleteRecords(given.Topic, map[int32]int64{given.Partition: given.Before})
}

func groups(admin sarama.ClusterAdmin, _ golang.Arguments) (any, error) {
	listed, err := admin.ListConsumerGroups()
	found := []string{}
	for name := range listed {
		found = append(found, name)
	}
	return found, err
}

func describeGroup(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	found, err := admin.DescribeConsumerGroups([]string{given.Group})
	if err != nil {
		return nil, err
	}
	return []any{strings.ToLower(found[0].State), len(found[0].Members)}, nil
}

func deleteGroup(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	return nil, admin.DeleteConsumerGroup(given.Group)
}

func committed(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	groups, err := admin.ListConsumerGroupOffsetsBatch(map[string]map[string][]int32{given.Group: nil})
	found := map[int32]int64{}
	if err != nil {
		return nil, err
	}
	for partition, block := range groups[given.Group].Blocks[given.Topic] {
		found[partition] = block.Offset
	}
	return found, nil
}

func commitFor(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	wanted := map[int32]sarama.OffsetAndMetadata{}
	for partition, offset := range given.Offsets {
		wanted[partition] = sarama.OffsetAndMetadata{Offset: offset, LeaderEpoch: -1}
	}
	done, err := admin.AlterConsumerGroupOffsets(given.Group, map[string]map[int32]sarama.OffsetAndMetadata{given.Topic: wanted}, nil)
	if err != nil {
		return nil, err
	}
	for _, refused := range done.Errors[given.Topic] {
		if refused != sarama.ErrNoError {
			err = refused
		}
	}
	return nil, err
}

func deleteCommitted(admin sarama.ClusterAdmin, given golang.Arguments) (any, error) {
	for _, partition := range given.Partitions {
		if err := admin.DeleteConsumerGroupOffset(given.Group, given.Topic, partition); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
