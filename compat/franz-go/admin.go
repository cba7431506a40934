package main

import (
	"context"
	"fmt"
	"strings"

	"higgins.invalid/compat/golang"

	"github.com/twmb/franz-go/pkg/kadm"
)

// with gives do a client of its own and a deadline.
func (c client) with(do func(context.Context, *kadm.Client) error) error {
	kafka, err := c.open()
	if err != nil {
		return err
	}
	defer kafka.Close()
	within, cancel := context.WithTimeout(context.Background(), golang.CallTimeout)
	defer cancel()
	return do(within, kadm.NewClient(kafka))
}

func (c client) Topics() (names []string, err error) {
	err = c.with(func(within context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(within)
		names = topics.Names()
		return err
	})
	return names, err
}

func (c client) CreateTopic(name string, partitions int32) error {
	return c.with(func(within context.Context, admin *kadm.Client) error {
		_, err := admin.CreateTopic(within, partitions, 1, nil, name)
		return err
	})
}

// Calls wraps each of the calls below.
func (c client) Calls() map[string]golang.Call {
	calls := map[string]golang.Call{}
	for name, call := range map[string]func(context.Context, *kadm.Client, golang.Arguments) (any, error){
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
		"offsets":           offsets,
	} {
		calls[name] = func(given golang.Arguments) (result any, err error) {
			err = c.with(func(within context.Context, admin *kadm.Client) error {
				result, err = call(within, admin, given)
				return err
			})
			return result, err
		}
	}
	return calls
}

func nodes(within context.Context, admin *kadm.Client, _ golang.Arguments) (any, error) {
	brokers, err := admin.ListBrokers(within)
	var found []string
	for _, one := range brokers {
		found = append(found, fmt.Sprintf("%s:%d", one.Host, one.Port))
	}
	return found, err
}

func deleteTopic(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	_, err := admin.DeleteTopic(within, given.Name)
	return nil, err
}

func createPartitions(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	done, err := admin.UpdatePartitions(within, given.Count, given.Topic)
	if err == nil {
		err = done.Error()
	}
	return nil, err
}

func describeConfigs(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	resources, err := admin.DescribeTopicConfigs(within, given.Topic)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	resource, err := resources.On(given.Topic, nil)
	for _, entry := range resource.Configs {
		found[entry.Key] = entry.MaybeValue()
	}
	return found, err
}

func alterConfigs(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	var changes []kadm.AlterConfig
	for name, value := range given.Changed {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	for _, name := range given.Deleted {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
	}
	done, err := admin.AlterTopicConfigs(within, changes, given.Topic)
	if err != nil {
		return nil, err
	}
	_, err = done.On(given.Topic, func(one *kadm.AlterConfigsResponse) error { return one.Err })
	return nil, err
}

func deleteRecords(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	var before kadm.Offsets
	before.AddOffset(given.Topic, given.Partition, given.Before, -1)
	done, err := admin.DeleteRecords(within, before)
	if err == nil {
		err = done.Error()
	}
	return done[given.Topic][given.Partition].LowWatermark, err
}

func offsets(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	first, err := admin.ListStartOffsets(within, given.Topic)
	if err != nil {
		return nil, err
	}
	next, err := admin.ListEndOffsets(within, given.Topic)
	return []int64{first[given.Topic][given.Partition].Offset, next[given.Topic][given.Partition].Offset}, err
}

func groups(within context.Context, admin *kadm.Client, _ golang.Arguments) (any, error) {
	found, err := admin.ListGroups(within)
	return found.Groups(), err
}

func describeGroup(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	found, err := admin.DescribeGroups(within, given.Group)
	if err == nil {
		err = found.Error()
	}
	one := found[given.Group]
	return []any{strings.ToLower(one.State), len(one.Members)}, err
}

func deleteGroup(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	_, err := admin.DeleteGroup(within, given.Group)
	return nil, err
}

func committed(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	answered, err := admin.FetchOffsets(within, given.Group)
	found := map[int32]int64{}
	for partition, one := range answered[given.Topic] {
		found[partition] = one.At
	}
	return found, err
}

func commitFor(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	var wanted kadm.Offsets
	for partition, offset := range given.Offsets {
		wanted.AddOffset(given.Topic, partition, offset, -1)
	}
	return nil, admin.CommitAllOffsets(within, given.Group, wanted)
}

func deleteCommitted(within context.Context, admin *kadm.Client, given golang.Arguments) (any, error) {
	which := kadm.TopicsSet{}
	which.Add(given.Topic, given.Partitions...)
	done, err := admin.DeleteOffsets(within, given.Group, which)
	if err == nil {
		err = done.Error()
	}
	return nil, err
}
