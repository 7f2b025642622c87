package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// watcher is a consumer that reads while producers send and the broker dies: what it has seen must stay.
type watcher struct {
	mutex    sync.Mutex
	client   *kgo.Client
	checkers []*checker
}

// witness is how far a consumer has read, and the digest of what it saw.
type witness struct {
	position int64
	digest   uint64
}

func (c *checker) witness() witness {
	return witness{c.position, c.digest}
}

func consumer(bootstrap string, from []*checker) (*kgo.Client, error) {
	offsets := make(map[int32]kgo.Offset)
	for _, c := range from {
		offsets[int32(c.partition)] = kgo.NewOffset().At(c.position)
	}
	assigned := map[string]map[int32]kgo.Offset{topic: offsets}
	return kgo.NewClient(append(common(bootstrap), kgo.ConsumePartitions(assigned),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(100*time.Millisecond))...)
}

func startWatcher(bootstrap string, l *ledger) (*watcher, error) {
	checkers := newCheckers(partitions)
	client, err := consumer(bootstrap, checkers)
	if err != nil {
		return nil, err
	}
	w := &watcher{client: client, checkers: checkers}
	go w.run(l)
	return w, nil
}

func (w *watcher) run(l *ledger) {
	for {
		fetches := w.client.PollFetches(context.Background())
		fetches.EachError(func(_ string, partition int32, err error) {
			l.fault("partition %d: the watching consumer failed: %v", partition, err)
		})
		w.mutex.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			m, intact := decode(r.Value)
			w.checkers[r.Partition].take(l, r.Offset, m, intact)
		})
		w.mutex.Unlock()
	}
}

func (w *watcher) seen(partition int) witness {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.checkers[partition].witness()
}

// read takes the log from where the checkers stand to its end. It gives the records read, and how many of them repeat
// earlier ones of plain producers.
func (s *session) read(ctx context.Context, checkers []*checker) (records, repeated uint64, err error) {
	client, err := consumer(s.bootstrap, checkers)
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	if err := listed.Error(); err != nil {
		return 0, 0, err
	}
	left := make(map[int32]int64)
	witnesses := make([]witness, len(checkers))
	for _, c := range checkers {
		end, _ := listed.Lookup(topic, int32(c.partition))
		if end.Offset > c.position {
			left[int32(c.partition)] = end.Offset
		}
		witnesses[c.partition] = s.watcher.seen(c.partition)
		if end.Offset < witnesses[c.partition].position {
			s.ledger.fault("partition %d ends at %d; a consumer had read up to %d", c.partition, end.Offset, witnesses[c.partition].position)
		}
	}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			return records, 0, fmt.Errorf("partition %d: %w", failure.Partition, failure.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			c := checkers[r.Partition]
			m, intact := decode(r.Value)
			c.takeFinal(s.ledger, r.Offset, m, intact)
			compareSeen(s.ledger, witnesses[c.partition], c)
			if c.position >= left[r.Partition] {
				delete(left, r.Partition)
			}
			records++
		})
	}
	for _, c := range checkers {
		c.finish(s.ledger)
		repeated += c.repeated
	}
	return records, repeated, nil
}

// compareSeen, where both have read equally far, holds the log to what a consumer saw in it earlier.
func compareSeen(l *ledger, seen witness, c *checker) {
	if c.position == seen.position && c.digest != seen.digest {
		l.fault("partition %d: a consumer had seen other records below offset %d", c.partition, seen.position)
	}
}
