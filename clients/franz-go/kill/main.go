// Load and judgement for clients/kill: producers that outlive the broker's deaths, a consumer that watches, and the
// comparison of the log with what was acknowledged. It takes a command a line and answers each with a line of JSON:
//
//	begin   starts a round: new producers
//	status  counts so far
//	check   ends the round: all records answered, the log read on from the last check and compared
//	final   reads the whole log from offset 0 and compares
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic      = "kill"
	partitions = 6
	// Ends a wait whatever the broker does; a restart takes seconds at most, Apache Kafka's half a minute.
	answerMax = 120 * time.Second
)

// reply is the answer to one command.
type reply struct {
	Sent         uint64   `json:"sent"`
	Acknowledged uint64   `json:"acknowledged"`
	Read         uint64   `json:"read"`
	Repeated     uint64   `json:"repeated"`
	Faults       []string `json:"faults"`
}

// session owns everything that lives through all rounds.
type session struct {
	bootstrap string
	rate      int
	ledger    *ledger
	verified  []*checker
	watcher   *watcher
	producers []*producer
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kill HOST:PORT RECORDS-PER-SECOND")
		os.Exit(2)
	}
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil || rate <= 0 {
		fmt.Fprintln(os.Stderr, "not a rate:", os.Args[2])
		os.Exit(2)
	}
	s := &session{bootstrap: os.Args[1], rate: rate, ledger: newLedger(partitions), verified: newCheckers(partitions)}
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := out.Encode(s.serve(in.Text())); err != nil {
			os.Exit(1)
		}
	}
}

func (s *session) serve(command string) reply {
	ctx, cancel := context.WithTimeout(context.Background(), answerMax)
	defer cancel()
	var answer reply
	var err error
	switch command {
	case "begin":
		err = s.begin(ctx)
	case "status":
	case "check":
		s.endRound(ctx)
		answer.Read, answer.Repeated, err = s.read(ctx, s.verified)
	case "final":
		answer.Read, answer.Repeated, err = s.read(ctx, newCheckers(partitions))
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	if err != nil {
		s.ledger.fault("%s: %v", command, err)
	}
	answer.Sent, answer.Acknowledged, answer.Faults = s.ledger.counts()
	return answer
}

func (s *session) begin(ctx context.Context) error {
	if s.watcher == nil {
		if err := s.createTopic(ctx); err != nil {
			return err
		}
		w, err := startWatcher(s.bootstrap, s.ledger)
		if err != nil {
			return err
		}
		s.watcher = w
	}
	for _, kind := range producerKinds {
		p, err := startProducer(s.bootstrap, s.ledger, kind, s.rate/len(producerKinds))
		if err != nil {
			return err
		}
		s.producers = append(s.producers, p)
	}
	return nil
}

func (s *session) createTopic(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic)
	return err
}

// endRound stops the load; with the broker up, every record sent must be answered.
func (s *session) endRound(ctx context.Context) {
	for _, p := range s.producers {
		p.stop()
	}
	for _, p := range s.producers {
		if err := p.client.Flush(ctx); err != nil {
			s.ledger.fault("producer %d: %d records without an answer: %v", p.number, p.client.BufferedProduceRecords(), err)
		}
		p.client.CloseAllowingRebalance()
	}
	s.producers = nil
}
