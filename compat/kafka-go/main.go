// The driver of kafka-go: its Writer, a Reader for each partition, and its ConsumerGroup; the rest is in admin.go.
package main

import (
	"context"
	"errors"
	"time"

	"higgins.invalid/compat/golang"

	"github.com/segmentio/kafka-go"
)

const (
	attemptsMax  = 1000
	batchTime    = 5 * time.Millisecond
	fetchBytes   = 10 << 20
	fetchTime    = 250 * time.Millisecond
	patienceTime = 20 * time.Millisecond
)

type client struct{ bootstrap string }

func main() {
	golang.Main(func(bootstrap string) golang.Client { return client{bootstrap} })
}

// producer hands to the writer what has gathered, at each flush: the writer waits for what it is given.
type producer struct {
	writer   *kafka.Writer
	gathered []kafka.Message
}

func (c client) Producer(given golang.Settings) (golang.Producer, error) {
	acks := map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll}
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	writer := &kafka.Writer{
		Addr:                   kafka.TCP(c.bootstrap),
		Balancer:               kafka.BalancerFunc(func(message kafka.Message, _ ...int) int { return message.Partition }),
		MaxAttempts:            attemptsMax,
		BatchTimeout:           batchTime,
		RequiredAcks:           acks[given.Acks],
		Compression:            codecs[given.Codec],
		AllowAutoTopicCreation: true,
	}
	return &producer{writer: writer}, nil
}

func (p *producer) Send(given golang.Outgoing) error {
	message := kafka.Message{Topic: given.Topic, Partition: int(given.Partition), Key: given.Key, Value: given.Value}
	if given.TimestampMs != nil {
		message.Time = time.UnixMilli(*given.TimestampMs)
	}
	for _, header := range given.Headers {
		message.Headers = append(message.Headers, kafka.Header{Key: header.Name, Value: header.Value})
	}
	p.gathered = append(p.gathered, message)
	return nil
}

func (p *producer) Flush() error {
	gathered := p.gathered
	p.gathered = nil
	within, cancel := context.WithTimeout(context.Background(), golang.CallTimeout)
	defer cancel()
	return p.writer.WriteMessages(within, gathered...)
}

func (p *producer) Close() error { return p.writer.Close() }

// inbox gathers what came from several partitions.
type inbox chan kafka.Message

// fill reads a partition until the context ends.
func (in inbox) fill(within context.Context, from *kafka.Reader) {
	defer from.Close()
	for {
		message, err := from.FetchMessage(within)
		if err != nil {
			return
		}
		select {
		case in <- message:
		case <-within.Done():
			return
		}
	}
}

func (in inbox) take(wait time.Duration) []kafka.Message {
	var found []kafka.Message
	late := time.After(wait)
	for {
		select {
		case one := <-in:
			found = append(found, one)
			// What else is there already comes along.
			late = time.After(patienceTime)
		case <-late:
			return found
		}
	}
}

func records(messages []kafka.Message) []golang.Record {
	var found []golang.Record
	for _, one := range messages {
		record := golang.Record{
			Partition: int32(one.Partition), Offset: one.Offset, TimestampMs: one.Time.UnixMilli(), Key: one.Key, Value: one.Value,
		}
		for _, header := range one.Headers {
			record.Headers = append(record.Headers, golang.Header{Name: header.Key, Value: header.Value})
		}
		found = append(found, record)
	}
	return found
}

func (c client) partitionReader(topic string, partition int) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers:   []string{c.bootstrap},
		Topic:     topic,
		Partition: partition,
		MaxBytes:  fetchBytes,
		MaxWait:   fetchTime,
	})
}

type reader struct {
	came inbox
	stop context.CancelFunc
}

func (c client) Reader(start golang.Start) (golang.Reader, error) {
	within, stop := context.WithCancel(context.Background())
	made := reader{make(inbox), stop}
	for _, partition := range start.Partitions {
		one := c.partitionReader(start.Topic, int(partition))
		var err error
		switch start.At {
		case "begin":
			err = one.SetOffset(kafka.FirstOffset)
		case "end":
			err = one.SetOffset(kafka.LastOffset)
		case "offset":
			err = one.SetOffset(start.Value)
		case "time":
			err = one.SetOffsetAt(within, time.UnixMilli(start.Value))
		}
		if err != nil {
			stop()
			return nil, err
		}
		go made.came.fill(within, one)
	}
	return made, nil
}

func (r reader) Poll(wait time.Duration) ([]golang.Record, error) {
	return records(r.came.take(wait)), nil
}

func (r reader) Close() error {
	r.stop()
	return nil
}

func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, kafka.ErrGroupClosed)
}
