// The driver of sarama: its asynchronous producer, its partition consumers and its consumer group; the rest is in admin.go.
package main

import (
	"fmt"
	"math"
	"time"

	"higgins.invalid/compat/golang"

	"github.com/IBM/sarama"
)

const (
	retries       = 1000
	sessionTime   = 6 * time.Second
	heartbeatTime = 500 * time.Millisecond
)

type client struct{ addresses []string }

func main() {
	golang.Main(func(bootstrap string) golang.Client { return client{[]string{bootstrap}} })
}

// settings are the library's own, at the newest protocol it knows.
func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	return config
}

// producer counts what is on its way; both of its channels are emptied by Flush.
type producer struct {
	kafka    sarama.AsyncProducer
	sent     chan error
	underway int
}

func (c client) Producer(given golang.Settings) (golang.Producer, error) {
	config := settings()
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{
		"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll,
	}[given.Acks]
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"none":   sarama.CompressionNone,
		"gzip":   sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy,
		"lz4":    sarama.CompressionLZ4,
		"zstd":   sarama.CompressionZSTD,
	}[given.Codec]
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = retries
	config.Producer.Idempotent = given.Idempotent
	// Order across retries, and all that the library allows of an idempotent producer.
	config.Net.MaxOpenRequests = 1
	kafka, err := sarama.NewAsyncProducer(c.addresses, config)
	if err != nil {
		return nil, err
	}
	made := &producer{kafka: kafka, sent: make(chan error, math.MaxInt16)}
	go made.collect()
	return made, nil
}

func (p *producer) collect() {
	successes, errors := p.kafka.Successes(), p.kafka.Errors()
	for successes != nil || errors != nil {
		select {
		case _, open := <-successes:
			if open {
				p.sent <- nil
			} else {
				successes = nil
			}
		case failed, open := <-errors:
			if open {
				p.sent <- failed.Err
			} else {
				errors = nil
			}
		}
	}
}

func (p *producer) Send(given golang.Outgoing) error {
	message := &sarama.ProducerMessage{Topic: given.Topic, Partition: given.Partition, Value: sarama.ByteEncoder(given.Value)}
	if given.Key != nil {
		message.Key = sarama.ByteEncoder(given.Key)
	}
	if given.TimestampMs != nil {
		message.Timestamp = time.UnixMilli(*given.TimestampMs)
	}
	for _, header := range given.Headers {
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
	}
	p.underway++
	var failed error
	for {
		select {
		case p.kafka.Input() <- message:
			return failed
		case err := <-p.sent:
			p.underway--
			if failed == nil {
				failed = err
			}
		}
	}
}

func (p *producer) Flush() error {
	var failed error
	late := time.After(golang.CallTimeout)
	for p.underway > 0 {
		select {
		case err := <-p.sent:
			p.underway--
			if failed == nil {
				failed = err
			}
		case <-late:
			return fmt.Errorf("%d records are not delivered after %s", p.underway, golang.CallTimeout)
		}
	}
	return failed
}

func (p *producer) Close() error {
	p.kafka.AsyncClose()
	return nil
}

// inbox gathers what came from several partitions.
type inbox chan *sarama.ConsumerMessage

func (in inbox) take(wait time.Duration) []*sarama.ConsumerMessage {
	var found []*sarama.ConsumerMessage
	late := time.After(wait)
	for {
		select {
		case one := <-in:
			found = append(found, one)
			// What else is there already comes along.
			late = time.After(time.Millisecond)
		case <-late:
			return found
		}
	}
}

func records(messages []*sarama.ConsumerMessage) []golang.Record {
	var found []golang.Record
	for _, one := range messages {
		record := golang.Record{
			Partition: one.Partition, Offset: one.Offset, TimestampMs: one.Timestamp.UnixMilli(), Key: one.Key, Value: one.Value,
		}
		for _, header := range one.Headers {
			record.Headers = append(record.Headers, golang.Header{Name: string(header.Key), Value: header.Value})
		}
		found = append(found, record)
	}
	return found
}

type reader struct {
	kafka sarama.Client
	came  inbox
}

func (c client) Reader(start golang.Start) (golang.Reader, error) {
	kafka, err := sarama.NewClient(c.addresses, settings())
	if err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(kafka)
	if err != nil {
		return nil, err
	}
	made := reader{kafka, make(inbox)}
	for _, partition := range start.Partitions {
		offset := map[string]int64{"begin": sarama.OffsetOldest, "end": sarama.OffsetNewest, "offset": start.Value}[start.At]
		if start.At == "time" {
			if offset, err = kafka.GetOffset(start.Topic, partition, start.Value); err != nil {
				return nil, err
			}
		}
		one, err := consumer.ConsumePartition(start.Topic, partition, offset)
		if err != nil {
			return nil, err
		}
		go func() {
			for message := range one.Messages() {
				made.came <- message
			}
		}()
	}
	return made, nil
}

func (r reader) Poll(wait time.Duration) ([]golang.Record, error) {
	return records(r.came.take(wait)), nil
}

func (r reader) Close() error { return r.kafka.Close() }
