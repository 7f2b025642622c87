package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/clients/go/driver"
)

// group serves the commands for members of groups.
func (c *client) group(ctx context.Context, words []string) error {
	verb, name, rest := words[0], words[1], words[2:]
	switch verb {
	case "join":
		joined, err := joinMember(c.bootstrap, rest[0], rest[1], driver.Settings(rest[2:]))
		c.members[name], c.groups[name] = joined, rest[0]
		return err
	}
	m := c.members[name]
	switch verb {
	case "events":
		for _, event := range m.Take() {
			c.Print(event)
		}
		return nil
	case "wakeup":
		m.wakeup()
		return nil
	case "close":
		m.close()
		return nil
	case "assign":
		rest = rest[2:]
	}
	places, err := driver.Places(rest)
	if err != nil {
		return err
	}
	switch verb {
	case "assign":
		return c.assign(ctx, name, words[2], words[3], places)
	case "commit":
		return m.commands.Run(func() error { return c.commit(ctx, c.groups[name], m, places) })
	case "committed":
		return c.committed(ctx, c.groups[name], m.topic, places)
	case "seek", "pause", "resume":
		return m.commands.Run(func() error { m.move(verb, places); return nil })
	}
	return fmt.Errorf("unknown command %s", verb)
}

func (c *client) assign(ctx context.Context, name, group, topic string, starts []driver.Place) error {
	kafka, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap))
	if err != nil {
		return err
	}
	defer kafka.Close()
	offsets := make(map[int32]kgo.Offset)
	for _, start := range starts {
		if start.Offset == driver.Stored {
			stored, err := kadm.NewClient(kafka).FetchOffsets(ctx, group)
			if err != nil {
				return err
			}
			found, _ := stored.Lookup(topic, start.Partition)
			start.Offset = found.At
		}
		offsets[start.Partition] = kgo.NewOffset().At(start.Offset)
	}
	assigned, err := assignMember(c.bootstrap, group, topic, offsets)
	c.members[name], c.groups[name] = assigned, group
	return err
}

// commit is a member's own; one whose partitions are assigned by hand commits for the group without being in it.
func (c *client) commit(ctx context.Context, group string, m *member, places []driver.Place) error {
	var offsets kadm.Offsets
	for _, place := range places {
		offsets.Add(kadm.Offset{
			Topic: m.topic, Partition: place.Partition, At: place.Offset, LeaderEpoch: -1, Metadata: place.Metadata})
	}
	memberID, generation := m.client.GroupMetadata()
	if memberID == "" {
		return kadm.NewClient(m.client).CommitAllOffsets(ctx, group, offsets)
	}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.MemberID, request.Generation = group, memberID, generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = m.topic
	offsets.Each(func(o kadm.Offset) {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset, partition.Metadata = o.Partition, o.At, kmsg.StringPtr(o.Metadata)
		topic.Partitions = append(topic.Partitions, partition)
	})
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, m.client)
	if err != nil {
		return err
	}
	return commitError(answer)
}

func (c *client) committed(ctx context.Context, group, topic string, places []driver.Place) error {
	kafka, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap))
	if err != nil {
		return err
	}
	defer kafka.Close()
	stored, err := kadm.NewClient(kafka).FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	for _, place := range places {
		if found, ok := stored.Lookup(topic, place.Partition); ok {
			c.PrintCommitted(place.Partition, found.At, found.Metadata)
		} else {
			c.PrintCommitted(place.Partition, -1, "")
		}
	}
	return nil
}

// move serves the commands that change what is fetched.
func (m *member) move(verb string, places []driver.Place) {
	partitions := map[string][]int32{m.topic: driver.Partitions(places)}
	switch verb {
	case "pause":
		m.client.PauseFetchPartitions(partitions)
	case "resume":
		m.client.ResumeFetchPartitions(partitions)
	default:
		offset := kgo.EpochOffset{Epoch: -1, Offset: places[0].Offset}
		m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{m.topic: {places[0].Partition: offset}})
	}
}

// commitOffsets commits and waits; the error of any partition is that of all.
func commitOffsets(ctx context.Context, client *kgo.Client, offsets map[string]map[int32]kgo.EpochOffset) error {
	var failed error
	client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err == nil {
			failed = commitError(answer)
		}
	})
	return failed
}

func commitError(answer *kmsg.OffsetCommitResponse) error {
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}
