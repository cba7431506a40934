// The driver of franz-go: the producer, the reader and the member of kgo; admin.go has the calls of kadm.
package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"higgins.invalid/compat/golang"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	sessionTime   = 6 * time.Second
	heartbeatTime = 500 * time.Millisecond
)

type client struct{ bootstrap string }

func main() {
	golang.Main(func(bootstrap string) golang.Client { return client{bootstrap} })
}

func (c client) open(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(c.bootstrap))...)
}

// producer notes the first failed delivery until a flush tells of it.
type producer struct {
	kafka  *kgo.Client
	lock   sync.Mutex
	failed error
}

func (c client) Producer(settings golang.Settings) (golang.Producer, error) {
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[settings.Acks]
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.RequiredAcks(acks),
		kgo.ProducerBatchCompression(codecs[settings.Codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(),
	}
	if !settings.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	kafka, err := c.open(options...)
	return &producer{kafka: kafka}, err
}

func (p *producer) Send(given golang.Outgoing) error {
	record := &kgo.Record{Topic: given.Topic, Partition: given.Partition, Key: given.Key, Value: given.Value}
	for _, header := range given.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
	}
	if given.TimestampMs != nil {
		record.Timestamp = time.UnixMilli(*given.TimestampMs)
	}
	p.kafka.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
		p.lock.Lock()
		defer p.lock.Unlock()
		if p.failed == nil {
			p.failed = err
		}
	})
	return nil
}

func (p *producer) Flush() error {
	within, cancel := context.WithTimeout(context.Background(), golang.CallTimeout)
	defer cancel()
	err := p.kafka.Flush(within)
	p.lock.Lock()
	defer p.lock.Unlock()
	failed := p.failed
	p.failed = nil
	return errors.Join(err, failed)
}

func (p *producer) Close() error {
	p.kafka.Close()
	return nil
}

type reader struct{ kafka *kgo.Client }

func (c client) Reader(start golang.Start) (golang.Reader, error) {
	from := map[string]kgo.Offset{
		"begin":  kgo.NewOffset().AtStart(),
		"end":    kgo.NewOffset().AtEnd(),
		"offset": kgo.NewOffset().At(start.Value),
		"time":   kgo.NewOffset().AfterMilli(start.Value),
	}[start.At]
	which := map[int32]kgo.Offset{}
	for _, partition := range start.Partitions {
		which[partition] = from
	}
	kafka, err := c.open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{start.Topic: which}))
	return reader{kafka}, err
}

func (r reader) Poll(wait time.Duration) ([]golang.Record, error) {
	within, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	fetches := r.kafka.PollFetches(within)
	var found []golang.Record
	fetches.EachRecord(func(one *kgo.Record) {
		record := golang.Record{
			Partition: one.Partition, Offset: one.Offset, TimestampMs: one.Timestamp.UnixMilli(), Key: one.Key, Value: one.Value,
		}
		for _, header := range one.Headers {
			record.Headers = append(record.Headers, golang.Header{Name: header.Key, Value: header.Value})
		}
		found = append(found, record)
	})
	for _, failed := range fetches.Errors() {
		// A broker that is away is what the client's own patience is for; what it gives up on is told.
		if !errors.Is(failed.Err, context.DeadlineExceeded) && !kgo.IsRetryableBrokerErr(failed.Err) {
			return found, failed.Err
		}
	}
	return found, nil
}

func (r reader) Close() error {
	r.kafka.Close()
	return nil
}

type member struct {
	reader
	held *held
}

// held is the partitions a member has at the moment.
type held struct {
	lock       sync.Mutex
	partitions map[int32]bool
}

func (h *held) change(have bool) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
		h.lock.Lock()
		defer h.lock.Unlock()
		for _, partitions := range changed {
			for _, partition := range partitions {
				h.partitions[partition] = have
			}
		}
	}
}

func (c client) Member(group, topic string) (golang.Member, error) {
	holding := &held{partitions: map[int32]bool{}}
	kafka, err := c.open(
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(sessionTime),
		kgo.HeartbeatInterval(heartbeatTime),
		kgo.OnPartitionsAssigned(holding.change(true)),
		kgo.OnPartitionsRevoked(holding.change(false)),
		kgo.OnPartitionsLost(holding.change(false)),
	)
	return member{reader{kafka}, holding}, err
}

func (m member) Assigned() []int32 {
	m.held.lock.Lock()
	defer m.held.lock.Unlock()
	var found []int32
	for partition, have := range m.held.partitions {
		if have {
			found = append(found, partition)
		}
	}
	return found
}

func (m member) Commit() error {
	within, cancel := context.WithTimeout(context.Background(), golang.CallTimeout)
	defer cancel()
	err := m.kafka.CommitUncommittedOffsets(within)
	for _, between := range []error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID} {
		if errors.Is(err, between) {
			return nil
		}
	}
	return err
}
