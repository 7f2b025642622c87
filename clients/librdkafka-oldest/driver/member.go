package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"

	"millrace/clients/go/driver"
)

const (
	recordsAtOnce = 500
	leavePollMs   = 20
)

// member polls on a goroutine of its own and notes what it sees (see matrix/members.py).
type member struct {
	driver.Notes
	topic, commits string
	byHand         bool
	consumer       *kafka.Consumer
	waitMs         int
	commands       driver.Commands
	closing        chan struct{}
	closed         chan error
	// Partition -> offset behind what was read and is not committed.
	uncommitted map[int32]kafka.Offset
}

func (c *client) joinMember(group, topic string, settings map[string]string) (*member, error) {
	config := kafka.ConfigMap{
		"enable.auto.commit": settings["commit"] == "auto", "partition.assignment.strategy": settings["assignor"],
		"session.timeout.ms": settings["session_ms"], "heartbeat.interval.ms": int(driver.HeartbeatInterval.Milliseconds()), "max.poll.interval.ms": settings["poll_max_ms"]}
	if settings["instance"] != "-" {
		config["group.instance.id"] = settings["instance"]
	}
	m, err := c.newMember(group, topic, settings["reset"], config)
	if err != nil {
		return nil, err
	}
	m.commits = settings["commit"]
	if m.waitMs, err = strconv.Atoi(settings["poll_ms"]); err != nil {
		return nil, err
	}
	if err := m.consumer.SubscribeTopics([]string{topic}, m.rebalanced); err != nil {
		return nil, err
	}
	go m.run()
	return m, nil
}

// assignMember reads partitions by hand; the group keeps its offsets only.
func (c *client) assignMember(group, topic string, starts []driver.Place) (*member, error) {
	m, err := c.newMember(group, topic, "none", kafka.ConfigMap{"enable.auto.commit": false})
	if err != nil {
		return nil, err
	}
	m.byHand, m.commits, m.waitMs = true, "none", pollMs
	if err := m.consumer.Assign(positions(topic, starts)); err != nil {
		return nil, err
	}
	go m.run()
	return m, nil
}

func (c *client) newMember(group, topic, reset string, settings kafka.ConfigMap) (*member, error) {
	settings["group.id"] = group
	settings["auto.commit.interval.ms"] = int(driver.AutoCommitInterval.Milliseconds())
	settings["auto.offset.reset"] = reset
	if reset == "none" {
		settings["auto.offset.reset"] = "error"
	}
	settings["fetch.wait.max.ms"] = int(driver.FetchWaitMax.Milliseconds())
	// How long partitions that the topic gets meanwhile stay unnoticed.
	settings["topic.metadata.refresh.interval.ms"] = 2000
	consumer, err := kafka.NewConsumer(c.config(settings))
	if err != nil {
		return nil, err
	}
	return &member{topic: topic, consumer: consumer, commands: driver.NewCommands(), closing: make(chan struct{}),
		closed: make(chan error, 1), uncommitted: make(map[int32]kafka.Offset)}, nil
}

func (m *member) run() {
	for polling := true; polling; {
		select {
		case <-m.closing:
			polling = false
		case command := <-m.commands:
			command()
		default:
			polling = m.step()
		}
	}
	<-m.closing
	m.closed <- m.leave()
}

// leave gives up what the member has, which calls back and commits what is read. This client's Close does that too, and
// waits for ten seconds whatever happens: nobody waits for it here.
func (m *member) leave() error {
	err := m.consumer.Unsubscribe()
	if m.byHand {
		err = m.consumer.Unassign()
	}
	for deadline := time.Now().Add(driver.AnswerMax); err == nil && time.Now().Before(deadline); {
		m.consumer.Poll(leavePollMs)
		var held []kafka.TopicPartition
		if held, err = m.consumer.Assignment(); len(held) == 0 {
			break
		}
	}
	go m.consumer.Close()
	return err
}

// step polls, takes what is there beside, and commits it; false after an error that ends the member.
func (m *member) step() bool {
	wait := m.waitMs
	for range recordsAtOnce {
		event := m.consumer.Poll(wait)
		wait = 0
		if event == nil {
			break
		}
		switch event := event.(type) {
		case *kafka.Message:
			if !m.take(event) {
				return false
			}
		case kafka.Error:
			if ends(event) {
				m.Note("error " + event.Code().String() + " " + event.Error())
				return false
			}
		}
	}
	if m.commits == "sync" {
		m.commit()
	}
	return true
}

func (m *member) take(message *kafka.Message) bool {
	place := message.TopicPartition
	if place.Error == nil {
		m.NoteRecord(place.Partition, int64(place.Offset), message.Key)
		m.uncommitted[place.Partition] = place.Offset + 1
		return true
	}
	var failure kafka.Error
	if errors.As(place.Error, &failure) && ends(failure) {
		m.Note("error " + failure.Code().String() + " " + failure.Error())
		return false
	}
	return true
}

// ends: everything else librdkafka repeats by itself.
func ends(err kafka.Error) bool {
	switch err.Code() {
	case kafka.ErrAutoOffsetReset, kafka.ErrFatal, kafka.ErrFencedInstanceID:
		return true
	}
	return err.IsFatal()
}

// commit: what a rebalance keeps from being committed stays for the next time.
func (m *member) commit() {
	if len(m.uncommitted) == 0 || m.commits == "none" || m.commits == "auto" {
		return
	}
	var places []kafka.TopicPartition
	for partition, offset := range m.uncommitted {
		places = append(places, kafka.TopicPartition{Topic: &m.topic, Partition: partition, Offset: offset})
	}
	found, err := m.consumer.CommitOffsets(places)
	var failure kafka.Error
	if errors.As(err, &failure) {
		switch failure.Code() {
		case kafka.ErrRebalanceInProgress, kafka.ErrIllegalGeneration, kafka.ErrUnknownMemberID, kafka.ErrNoOffset:
		default:
			m.Note("error commit " + failure.Error())
		}
		return
	}
	for _, place := range found {
		if place.Error == nil {
			delete(m.uncommitted, place.Partition)
		}
	}
}

func (m *member) rebalanced(consumer *kafka.Consumer, event kafka.Event) error {
	switch event := event.(type) {
	case kafka.AssignedPartitions:
		m.NotePartitions("assigned", partitions(event.Partitions))
	case kafka.RevokedPartitions:
		kind := "revoked"
		if consumer.AssignmentLost() {
			kind = "lost"
		} else {
			m.commit()
		}
		for _, place := range event.Partitions {
			delete(m.uncommitted, place.Partition)
		}
		m.NotePartitions(kind, partitions(event.Partitions))
	}
	return nil
}

func partitions(places []kafka.TopicPartition) []int32 {
	var found []int32
	for _, place := range places {
		found = append(found, place.Partition)
	}
	return found
}
