// Package golang is a driver's half of the conversation that ../driver.py describes, for every client in Go.
//
// A client gives what its roles do; the lines of JSON are here. It knows no Kafka library.
package golang

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// CallTimeout bounds every call that a client makes for one request.
const CallTimeout = 60 * time.Second

const bufferedBytes = 1 << 20

// Settings are what stories vary of a producer; Acks is "0", "1" or "all".
type Settings struct {
	Acks       string `json:"acks"`
	Codec      string `json:"codec"`
	Idempotent bool   `json:"idempotent"`
}

// Start is where a reader begins: At is "begin", "end", "offset" or "time" (milliseconds).
type Start struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
	At         string  `json:"at"`
	Value      int64   `json:"value"`
}

// Outgoing is a record to send; TimestampMs is nil for the client's own time.
type Outgoing struct {
	Topic       string   `json:"topic"`
	Partition   int32    `json:"partition"`
	Key         []byte   `json:"key"`
	Value       []byte   `json:"value"`
	Headers     []Header `json:"headers"`
	TimestampMs *int64   `json:"timestamp_ms"`
}

// Record is a record as it was received.
type Record struct {
	Partition   int32    `json:"partition"`
	Offset      int64    `json:"offset"`
	TimestampMs int64    `json:"timestamp_ms"`
	Key         []byte   `json:"key"`
	Value       []byte   `json:"value"`
	Headers     []Header `json:"headers"`
}

// Producer keeps the records of one partition in the order of Send.
type Producer interface {
	Send(Outgoing) error
	// Flush returns when everything sent is delivered, or with the first failure.
	Flush() error
	Close() error
}

// Reader hands out what has come, after at most the given time.
type Reader interface {
	Poll(time.Duration) ([]Record, error)
	Close() error
}

// Member is a reader in a group. Commit commits what was polled; a rebalance in the way is no error.
type Member interface {
	Reader
	Assigned() []int32
	Commit() error
}

// Arguments are those of every call of port.Admin; which are there depends on the call.
type Arguments struct {
	Name       string            `json:"name"`
	Topic      string            `json:"topic"`
	Group      string            `json:"group"`
	Count      int               `json:"count"`
	Partition  int32             `json:"partition"`
	Partitions []int32           `json:"partitions"`
	Before     int64             `json:"before"`
	Offsets    map[int32]int64   `json:"offsets"`
	Changed    map[string]string `json:"changed"`
	Deleted    []string          `json:"deleted"`
}

// Call is an admin call; its result becomes JSON.
type Call func(Arguments) (result any, err error)

// Client is a library under trial.
type Client interface {
	Producer(Settings) (Producer, error)
	Reader(Start) (Reader, error)
	Member(group, topic string) (Member, error)
	Topics() ([]string, error)
	CreateTopic(name string, partitions int32) error
	// Calls are those of port.Admin that the client has, by name.
	Calls() map[string]Call
}

// answer is the fields of an answer; silence is what send is answered with.
type answer map[string]any

var silence answer

// role answers requests until it is closed.
type role struct {
	handle func(do string, request []byte) (answer, error)
	close  func() error
}

// Main speaks with the harness until it closes the driver, or goes away.
func Main(open func(bootstrap string) Client) {
	client := open(os.Args[1])
	in := bufio.NewReaderSize(os.Stdin, bufferedBytes)
	var with *role
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			os.Exit(1)
		}
		var request struct {
			Do string `json:"do"`
		}
		given, err := answer{}, json.Unmarshal(line, &request)
		switch {
		case err != nil:
		case with == nil:
			with, err = begin(client, request.Do, line)
		case request.Do == "close":
			err = with.close()
		default:
			given, err = with.handle(request.Do, line)
		}
		if err != nil {
			given = answer{"error": err.Error()}
		}
		if given != nil {
			say(given)
		}
		if request.Do == "close" {
			return
		}
	}
}

func say(given answer) {
	text, err := json.Marshal(given)
	if err != nil {
		fmt.Fprintln(os.Stderr, "an answer that is no JSON:", err)
		os.Exit(1)
	}
	if _, err = os.Stdout.Write(append(text, '\n')); err != nil {
		os.Exit(1)
	}
}

func begin(client Client, do string, request []byte) (*role, error) {
	switch do {
	case "producer":
		var settings Settings
		if err := json.Unmarshal(request, &settings); err != nil {
			return nil, err
		}
		producer, err := client.Producer(settings)
		if err != nil {
			return nil, err
		}
		return &role{produce(producer), producer.Close}, nil
	case "reader":
		var start Start
		if err := json.Unmarshal(request, &start); err != nil {
			return nil, err
		}
		reader, err := client.Reader(start)
		if err != nil {
			return nil, err
		}
		return &role{read(reader), reader.Close}, nil
	case "member":
		var of struct{ Group, Topic string }
		if err := json.Unmarshal(request, &of); err != nil {
			return nil, err
		}
		member, err := client.Member(of.Group, of.Topic)
		if err != nil {
			return nil, err
		}
		return &role{belong(member), member.Close}, nil
	case "admin":
		return &role{administer(client), func() error { return nil }}, nil
	}
	return nil, fmt.Errorf("a driver cannot be a %s", do)
}

func produce(producer Producer) func(string, []byte) (answer, error) {
	// A send is not answered, so the next flush tells of its failure.
	var failed error
	return func(do string, request []byte) (answer, error) {
		if do == "flush" {
			if failed != nil {
				return nil, failed
			}
			return answer{}, producer.Flush()
		}
		var record Outgoing
		err := json.Unmarshal(request, &record)
		if err == nil {
			err = producer.Send(record)
		}
		if failed == nil {
			failed = err
		}
		return silence, nil
	}
}

func read(reader Reader) func(string, []byte) (answer, error) {
	return func(do string, request []byte) (answer, error) {
		if do != "poll" {
			return nil, fmt.Errorf("a reader does not %s", do)
		}
		var within struct {
			TimeoutMs int64 `json:"timeout_ms"`
		}
		if err := json.Unmarshal(request, &within); err != nil {
			return nil, err
		}
		records, err := reader.Poll(time.Duration(within.TimeoutMs) * time.Millisecond)
		for n := range records {
			// Empty lists, not nil, which would become null.
			records[n].Headers = append([]Header{}, records[n].Headers...)
		}
		return answer{"records": append([]Record{}, records...)}, err
	}
}

func belong(member Member) func(string, []byte) (answer, error) {
	poll := read(member)
	return func(do string, request []byte) (answer, error) {
		switch do {
		case "assigned":
			return answer{"partitions": append([]int32{}, member.Assigned()...)}, nil
		case "commit":
			return answer{}, member.Commit()
		}
		return poll(do, request)
	}
}

func administer(client Client) func(string, []byte) (answer, error) {
	calls := client.Calls()
	return func(do string, request []byte) (answer, error) {
		var topic struct {
			Name       string
			Partitions int32
		}
		switch do {
		case "topics":
			names, err := client.Topics()
			return answer{"topics": names}, err
		case "create_topic":
			if err := json.Unmarshal(request, &topic); err != nil {
				return nil, err
			}
			return answer{}, client.CreateTopic(topic.Name, topic.Partitions)
		}
		call, found := calls[do]
		if !found {
			return nil, fmt.Errorf("the client has no call %s", do)
		}
		var given Arguments
		if err := json.Unmarshal(request, &given); err != nil {
			return nil, err
		}
		result, err := call(given)
		return answer{"result": result}, err
	}
}
