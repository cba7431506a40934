package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"higgins.invalid/compat/golang"

	"github.com/segmentio/kafka-go"
)

const (
	sessionTime   = 6 * time.Second
	heartbeatTime = 500 * time.Millisecond
)

// member follows the generations of its group; a Reader of a group would do, but does not tell its partitions.
type member struct {
	client client
	group  *kafka.ConsumerGroup
	topic  string
	came   inbox
	leave  context.CancelFunc
	over   chan error
	lock   sync.Mutex
	now    *kafka.Generation
	claims []int32
	next   map[int]int64
}

func (c client) Member(group, topic string) (golang.Member, error) {
	joined, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                group,
		Brokers:           []string{c.bootstrap},
		Topics:            []string{topic},
		SessionTimeout:    sessionTime,
		HeartbeatInterval: heartbeatTime,
		StartOffset:       kafka.FirstOffset,
	})
	if err != nil {
		return nil, err
	}
	within, leave := context.WithCancel(context.Background())
	made := &member{client: c, group: joined, topic: topic, came: make(inbox), leave: leave, over: make(chan error, 1)}
	go func() { made.over <- made.follow(within) }()
	return made, nil
}

func (m *member) follow(within context.Context) error {
	for {
		generation, err := m.group.Next(within)
		if ended(err) {
			return nil
		}
		if err != nil {
			// A generation that did not come about; the group tries again.
			continue
		}
		m.begin(generation)
	}
}

func (m *member) begin(generation *kafka.Generation) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.now, m.claims, m.next = generation, nil, map[int]int64{}
	for _, given := range generation.Assignments[m.topic] {
		m.claims = append(m.claims, int32(given.ID))
		generation.Start(func(within context.Context) {
			from := m.client.partitionReader(m.topic, given.ID)
			if err := from.SetOffset(given.Offset); err == nil {
				m.came.fill(within, from)
			}
		})
	}
	generation.Start(func(within context.Context) {
		<-within.Done()
		m.lock.Lock()
		defer m.lock.Unlock()
		if m.now == generation {
			m.now, m.claims = nil, nil
		}
	})
}

func (m *member) Poll(wait time.Duration) ([]golang.Record, error) {
	found := m.came.take(wait)
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, one := range found {
		if m.now != nil {
			m.next[one.Partition] = one.Offset + 1
		}
	}
	return records(found), nil
}

func (m *member) Assigned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.claims
}

func (m *member) Commit() error {
	m.lock.Lock()
	generation, next := m.now, m.next
	m.next = map[int]int64{}
	m.lock.Unlock()
	if generation == nil || len(next) == 0 {
		return nil
	}
	err := generation.CommitOffsets(map[string]map[int]int64{m.topic: next})
	for _, between := range []kafka.Error{kafka.RebalanceInProgress, kafka.IllegalGeneration, kafka.UnknownMemberId} {
		if errors.Is(err, between) {
			return nil
		}
	}
	return err
}

func (m *member) Close() error {
	m.leave()
	err := m.group.Close()
	<-m.over
	if ended(err) {
		return nil
	}
	return err
}
