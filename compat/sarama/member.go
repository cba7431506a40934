package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"higgins.invalid/compat/golang"

	"github.com/IBM/sarama"
)

// member is the handler of a consumer group, too: the library calls Setup, ConsumeClaim and Cleanup.
type member struct {
	group  sarama.ConsumerGroup
	came   inbox
	leave  context.CancelFunc
	over   chan error
	lock   sync.Mutex
	now    sarama.ConsumerGroupSession
	claims []int32
	polled []*sarama.ConsumerMessage
}

func (c client) Member(group, topic string) (golang.Member, error) {
	config := settings()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = sessionTime
	config.Consumer.Group.Heartbeat.Interval = heartbeatTime
	kafka, err := sarama.NewConsumerGroup(c.addresses, group, config)
	if err != nil {
		return nil, err
	}
	within, leave := context.WithCancel(context.Background())
	made := &member{group: kafka, came: make(inbox), leave: leave, over: make(chan error, 1)}
	go func() {
		var err error
		// A session ends with every rebalance.
		for err == nil && within.Err() == nil {
			err = kafka.Consume(within, []string{topic}, made)
		}
		made.over <- err
	}()
	return made, nil
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.now, m.claims, m.polled = session, nil, nil
	for _, partitions := range session.Claims() {
		m.claims = append(m.claims, partitions...)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.now, m.claims, m.polled = nil, nil, nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case m.came <- message:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (m *member) Poll(wait time.Duration) ([]golang.Record, error) {
	select {
	case err := <-m.over:
		m.over <- err
		return nil, err
	default:
	}
	found := m.came.take(wait)
	m.lock.Lock()
	defer m.lock.Unlock()
	m.polled = append(m.polled, found...)
	return records(found), nil
}

func (m *member) Assigned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.claims
}

func (m *member) Commit() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.now == nil {
		return nil
	}
	for _, message := range m.polled {
		m.now.MarkMessage(message, "")
	}
	m.polled = nil
	m.now.Commit()
	return nil
}

func (m *member) Close() error {
	m.leave()
	err := <-m.over
	if errors.Is(err, sarama.ErrClosedConsumerGroup) || errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, m.group.Close())
}
