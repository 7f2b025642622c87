package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"millrace/clients/go/driver"
)

// member is what reads for one member's name and notes what it sees (see matrix/members.py).
type member struct {
	driver.Notes
	name, topic, commits string
	client               sarama.Client
	group                sarama.ConsumerGroup
	offsets              sarama.OffsetManager
	managed              map[int32]sarama.PartitionOffsetManager
	stop                 context.CancelFunc
	ended                sync.WaitGroup

	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
}

func joinMember(bootstrap []string, group, topic string, settings map[string]string) (*member, error) {
	strategies := map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky(),
	}
	resets := map[string]int64{"earliest": sarama.OffsetOldest, "latest": sarama.OffsetNewest}
	c := config()
	for name, timeout := range map[string]*time.Duration{
		"session_ms": &c.Consumer.Group.Session.Timeout, "poll_max_ms": &c.Consumer.Group.Rebalance.Timeout,
	} {
		var err error
		if *timeout, err = driver.Milliseconds(settings[name]); err != nil {
			return nil, err
		}
	}
	c.Consumer.Group.Heartbeat.Interval = driver.HeartbeatInterval
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[settings["assignor"]]}
	c.Consumer.Offsets.Initial = resets[settings["reset"]]
	c.Consumer.Offsets.AutoCommit.Enable = settings["commit"] == "auto"
	c.Consumer.Offsets.AutoCommit.Interval = driver.AutoCommitInterval
	if settings["instance"] != "-" {
		c.Consumer.Group.InstanceId = settings["instance"]
	}
	m := &member{name: group, topic: topic, commits: settings["commit"]}
	var err error
	if m.client, err = sarama.NewClient(bootstrap, c); err != nil {
		return nil, err
	}
	if m.group, err = sarama.NewConsumerGroupFromClient(group, m.client); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.ended.Add(1)
	go m.run(ctx)
	go m.watch()
	return m, nil
}

// assignMember reads partitions by hand; the group keeps its offsets only.
func assignMember(bootstrap []string, group, topic string, starts []driver.Place) (*member, error) {
	c := config()
	c.Consumer.Offsets.AutoCommit.Enable = false
	m := &member{name: group, topic: topic, commits: "none", managed: make(map[int32]sarama.PartitionOffsetManager)}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	var err error
	if m.client, err = sarama.NewClient(bootstrap, c); err != nil {
		return nil, err
	}
	if m.offsets, err = sarama.NewOffsetManagerFromClient(group, m.client); err != nil {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(m.client)
	if err != nil {
		return nil, err
	}
	for _, start := range starts {
		managed, err := m.offsets.ManagePartition(topic, start.Partition)
		if err != nil {
			return nil, err
		}
		m.managed[start.Partition] = managed
		offset, _ := managed.NextOffset()
		if start.Offset != driver.Stored {
			offset = start.Offset
		}
		claim, err := consumer.ConsumePartition(topic, start.Partition, offset)
		if err != nil {
			return nil, err
		}
		m.ended.Add(1)
		go m.readByHand(ctx, claim)
	}
	return m, nil
}

func (m *member) readByHand(ctx context.Context, claim sarama.PartitionConsumer) {
	defer m.ended.Done()
	defer claim.AsyncClose()
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-claim.Messages():
			m.NoteRecord(message.Partition, message.Offset, message.Key)
		case err := <-claim.Errors():
			m.Note("error " + err.Error())
			return
		}
	}
}

// run is one session after another until the member closes, or is fenced.
func (m *member) run(ctx context.Context) {
	defer m.ended.Done()
	for ctx.Err() == nil {
		err := m.group.Consume(ctx, []string{m.topic}, m)
		if errors.Is(err, sarama.ErrFencedInstancedId) {
			m.Note("error " + err.Error())
			return
		}
	}
}

// watch notes what ends a member; everything else sarama repeats by itself.
func (m *member) watch() {
	for err := range m.group.Errors() {
		if errors.Is(err, sarama.ErrFencedInstancedId) {
			m.Note("error " + err.Error())
		}
	}
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = session
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = nil
	return nil
}

// ConsumeClaim is one partition from its assignment until it goes.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.NotePartitions("assigned", []int32{claim.Partition()})
	for m.readClaim(session, claim) {
		if m.commits == "sync" {
			session.Commit()
		}
	}
	if m.commits != "none" && m.commits != "auto" {
		session.Commit()
	}
	m.NotePartitions("revoked", []int32{claim.Partition()})
	return nil
}

// readClaim waits for a record and takes what is there with it; false when the partition goes.
func (m *member) readClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) bool {
	select {
	case message, open := <-claim.Messages():
		if !open {
			return false
		}
		m.take(session, message)
	case <-session.Context().Done():
		return false
	}
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return false
			}
			m.take(session, message)
		default:
			return true
		}
	}
}

func (m *member) take(session sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) {
	m.NoteRecord(message.Partition, message.Offset, message.Key)
	if m.commits != "none" {
		session.MarkMessage(message, "")
	}
}

func (m *member) close() error {
	m.stop()
	m.ended.Wait()
	for _, managed := range m.managed {
		managed.AsyncClose()
	}
	if m.offsets != nil {
		if err := m.offsets.Close(); err != nil {
			return err
		}
	}
	if m.group != nil {
		if err := m.group.Close(); err != nil {
			return err
		}
	}
	return m.client.Close()
}
