package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	autoCommitInterval = 200 * time.Millisecond
	heartbeatInterval  = time.Second
	// An idle fetch would keep a record from being read until it ends.
	fetchWaitMax = 100 * time.Millisecond
	shortWait    = 200 * time.Millisecond
)

// member is a consumer that polls by itself and notes what it sees (see matrix/members.py).
type member struct {
	topic, commits string
	wait           time.Duration
	client         *kgo.Client
	commands       chan func()
	stop           context.CancelFunc
	stopped        context.Context
	ended          chan struct{}

	mutex       sync.Mutex
	notes       []string
	wake        context.CancelFunc
	uncommitted map[int32]kgo.EpochOffset
}

func newMember(topic, commits string, wait time.Duration) *member {
	m := &member{topic: topic, commits: commits, wait: wait, commands: make(chan func(), 8), ended: make(chan struct{}),
		wake: func() {}, uncommitted: make(map[int32]kgo.EpochOffset)}
	m.stopped, m.stop = context.WithCancel(context.Background())
	return m
}

func joinMember(bootstrap, group, topic string, settings map[string]string) (*member, error) {
	m := newMember(topic, settings["commit"], milliseconds(settings["poll_ms"]))
	balancers := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer()}
	resets := map[string]kgo.Offset{"earliest": kgo.NewOffset().AtStart(), "latest": kgo.NewOffset().AtEnd(),
		"none": kgo.NewOffset().AtCommitted()}
	options := []kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.Balancers(balancers[settings["assignor"]]), kgo.SessionTimeout(milliseconds(settings["session_ms"])),
		kgo.RebalanceTimeout(milliseconds(settings["poll_max_ms"])), kgo.HeartbeatInterval(heartbeatInterval),
		kgo.ConsumeResetOffset(resets[settings["reset"]]), kgo.FetchMaxWait(fetchWaitMax), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.note("assigned", parts[topic]) }),
		kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost)}
	if settings["commit"] == "auto" {
		options = append(options, kgo.AutoCommitMarks(), kgo.AutoCommitInterval(autoCommitInterval))
	} else {
		options = append(options, kgo.DisableAutoCommit())
	}
	if settings["instance"] != "-" {
		options = append(options, kgo.InstanceID(settings["instance"]))
	}
	return m.started(options)
}

// assignMember reads what it is given; the group keeps its offsets only, which franz-go reads by the admin client.
func assignMember(bootstrap, group, topic string, offsets map[int32]kgo.Offset) (*member, error) {
	m := newMember(topic, "none", shortWait)
	assigned := map[string]map[int32]kgo.Offset{topic: offsets}
	return m.started([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(assigned), kgo.FetchMaxWait(fetchWaitMax),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtCommitted())})
}

func (m *member) started(options []kgo.Opt) (*member, error) {
	var err error
	if m.client, err = kgo.NewClient(options...); err == nil {
		go m.run()
	}
	return m, err
}

func (m *member) run() {
	defer close(m.ended)
	for m.stopped.Err() == nil && m.step() {
	}
	<-m.stopped.Done()
	m.commit(nil)
	// Closing calls the listener as a rebalance does.
	m.client.CloseAllowingRebalance()
}

// step is one poll with what belongs to it; false after an error that ends the member.
func (m *member) step() bool {
	for more := true; more; {
		select {
		case command := <-m.commands:
			command()
		default:
			more = false
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.wait)
	defer cancel()
	m.mutex.Lock()
	m.wake = cancel
	m.mutex.Unlock()
	fetches := m.client.PollFetches(ctx)
	defer m.client.AllowRebalance()
	for _, failure := range fetches.Errors() {
		if errors.Is(failure.Err, context.Canceled) {
			m.noteText("woken")
			m.wait = shortWait
		} else if !errors.Is(failure.Err, context.DeadlineExceeded) && !kerr.IsRetriable(failure.Err) {
			m.noteText("error " + failure.Err.Error())
			return false
		}
	}
	fetches.EachRecord(m.read)
	switch m.commits {
	case "sync":
		m.commit(nil)
	case "async":
		m.client.CommitOffsets(context.Background(), m.offsets(nil), nil)
	case "auto":
		m.client.MarkCommitRecords(fetches.Records()...)
	}
	return true
}

func (m *member) read(record *kgo.Record) {
	m.noteText(fmt.Sprintf("record %d %d %s", record.Partition, record.Offset, record.Key))
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.uncommitted[record.Partition] = kgo.EpochOffset{Epoch: record.LeaderEpoch, Offset: record.Offset + 1}
}

// offsets are those of the partitions, or of all.
func (m *member) offsets(partitions []int32) map[string]map[int32]kgo.EpochOffset {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	chosen := make(map[int32]kgo.EpochOffset)
	for partition, offset := range m.uncommitted {
		if partitions == nil || contains(partitions, partition) {
			chosen[partition] = offset
		}
	}
	return map[string]map[int32]kgo.EpochOffset{m.topic: chosen}
}

// commit leaves what a rebalance keeps from being committed for the next time.
func (m *member) commit(partitions []int32) {
	offsets := m.offsets(partitions)
	if m.commits == "none" || m.commits == "auto" || len(offsets[m.topic]) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerMax)
	defer cancel()
	if err := commitOffsets(ctx, m.client, offsets); err != nil {
		m.noteText("error commit " + err.Error())
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for partition, offset := range offsets[m.topic] {
		if m.uncommitted[partition] == offset {
			delete(m.uncommitted, partition)
		}
	}
}

func (m *member) revoked(ctx context.Context, client *kgo.Client, parts map[string][]int32) {
	if m.commits == "auto" {
		_ = client.CommitMarkedOffsets(ctx)
	}
	if len(parts[m.topic]) > 0 {
		m.commit(parts[m.topic])
		m.forget(parts[m.topic])
	}
	m.note("revoked", parts[m.topic])
}

func (m *member) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.forget(parts[m.topic])
	m.note("lost", parts[m.topic])
}

func (m *member) forget(partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range partitions {
		delete(m.uncommitted, partition)
	}
}

func (m *member) note(kind string, partitions []int32) {
	var words []string
	for _, partition := range partitions {
		words = append(words, strconv.Itoa(int(partition)))
	}
	sort.Strings(words)
	if len(words) == 0 {
		words = []string{"-"}
	}
	m.noteText(kind + " " + strings.Join(words, ","))
}

func (m *member) noteText(text string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.notes = append(m.notes, fmt.Sprintf("%d %s", time.Now().UnixMilli(), strings.ReplaceAll(text, "\n", " ")))
}

func (m *member) events() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	taken := m.notes
	m.notes = nil
	return taken
}

// between runs the command between two polls and waits for it.
func (m *member) between(command func() error) error {
	done := make(chan error, 1)
	m.commands <- func() { done <- command() }
	select {
	case err := <-done:
		return err
	case <-time.After(answerMax):
		return fmt.Errorf("the member took no command for %s", answerMax)
	}
}

func (m *member) wakeup() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.wake()
}

func (m *member) close() {
	m.stop()
	<-m.ended
}

func milliseconds(text string) time.Duration {
	number, _ := strconv.Atoi(text)
	return time.Duration(number) * time.Millisecond
}

func contains(partitions []int32, wanted int32) bool {
	for _, partition := range partitions {
		if partition == wanted {
			return true
		}
	}
	return false
}
