package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/clients/go/driver"
)

const shortWait = 200 * time.Millisecond

// consumerProtocol is how franz-go is asked for the consumer protocol (KIP-848), which it has, but not by default yet.
const consumerProtocol = "opt_in_kafka_next_gen_balancer_beta"

// member is a consumer that polls by itself and notes what it sees (see matrix/members.py).
type member struct {
	driver.Notes
	topic, commits string
	wait           time.Duration
	client         *kgo.Client
	commands       driver.Commands
	stop           context.CancelFunc
	stopped        context.Context
	ended          chan struct{}

	mutex       sync.Mutex
	wake        context.CancelFunc
	woken       bool
	uncommitted map[int32]kgo.EpochOffset
}

func newMember(topic, commits string, wait time.Duration) *member {
	m := &member{topic: topic, commits: commits, wait: wait, commands: driver.NewCommands(), ended: make(chan struct{}),
		wake: func() {}, uncommitted: make(map[int32]kgo.EpochOffset)}
	m.stopped, m.stop = context.WithCancel(context.Background())
	return m
}

func joinMember(bootstrap, group, topic string, settings map[string]string) (*member, error) {
	var times [3]time.Duration
	for i, name := range []string{"poll_ms", "session_ms", "poll_max_ms"} {
		var err error
		if times[i], err = driver.Milliseconds(settings[name]); err != nil {
			return nil, err
		}
	}
	m := newMember(topic, settings["commit"], times[0])
	// In the consumer protocol a balancer stands for the broker's own: sticky for uniform.
	balancers := map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "uniform": kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer()}
	resets := map[string]kgo.Offset{"earliest": kgo.NewOffset().AtStart(), "latest": kgo.NewOffset().AtEnd(),
		"none": kgo.NewOffset().AtCommitted()}
	options := []kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.Balancers(balancers[settings["assignor"]]), kgo.SessionTimeout(times[1]),
		kgo.RebalanceTimeout(times[2]), kgo.HeartbeatInterval(driver.HeartbeatInterval),
		kgo.ConsumeResetOffset(resets[settings["reset"]]), kgo.FetchMaxWait(driver.FetchWaitMax), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.NotePartitions("assigned", parts[topic])
		}),
		kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost)}
	if settings["commit"] == "auto" {
		options = append(options, kgo.AutoCommitMarks(), kgo.AutoCommitInterval(driver.AutoCommitInterval))
	} else {
		options = append(options, kgo.DisableAutoCommit())
	}
	if settings["protocol"] == "consumer" {
		options = append(options, kgo.WithContext(context.WithValue(context.Background(), consumerProtocol, true)))
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
	return m.started([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(assigned), kgo.FetchMaxWait(driver.FetchWaitMax),
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
	m.commands.Serve()
	ctx, cancel := context.WithTimeout(context.Background(), m.wait)
	defer cancel()
	m.mutex.Lock()
	m.wake = cancel
	if m.woken {
		cancel()
	}
	m.mutex.Unlock()
	fetches := m.client.PollFetches(ctx)
	defer m.client.AllowRebalance()
	for _, failure := range fetches.Errors() {
		if errors.Is(failure.Err, context.Canceled) {
			m.Note("woken")
			m.wait = shortWait
			m.mutex.Lock()
			m.woken = false
			m.mutex.Unlock()
		} else if !passes(failure.Err) {
			m.Note("error " + failure.Err.Error())
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

// passes says whether the client goes on by itself: the broker may be away.
func passes(err error) bool {
	var connecting *net.OpError
	return errors.As(err, &connecting) || errors.Is(err, context.DeadlineExceeded) || kerr.IsRetriable(err)
}

func (m *member) read(record *kgo.Record) {
	m.NoteRecord(record.Partition, record.Offset, record.Key)
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
		if partitions == nil || slices.Contains(partitions, partition) {
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
	ctx, cancel := context.WithTimeout(context.Background(), driver.AnswerMax)
	defer cancel()
	if err := commitOffsets(ctx, m.client, offsets); err != nil {
		m.Note("error commit " + err.Error())
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
	m.NotePartitions("revoked", parts[m.topic])
}

func (m *member) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.forget(parts[m.topic])
	m.NotePartitions("lost", parts[m.topic])
}

func (m *member) forget(partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range partitions {
		delete(m.uncommitted, partition)
	}
}

// wakeup ends the poll, or the next one where the member is between two.
func (m *member) wakeup() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.woken = true
	m.wake()
}

func (m *member) close() {
	m.stop()
	<-m.ended
}
