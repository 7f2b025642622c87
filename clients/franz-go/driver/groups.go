package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// group serves the commands for members of groups.
func (d *driver) group(ctx context.Context, words []string) error {
	verb, name, rest := words[0], words[1], words[2:]
	switch verb {
	case "join":
		joined, err := joinMember(d.bootstrap, rest[0], rest[1], pairs(rest[2:], "="))
		d.members[name], d.groups[name] = joined, rest[0]
		return err
	case "assign":
		return d.assign(ctx, name, rest[0], rest[1], pairs(rest[2:], ":"))
	}
	m := d.members[name]
	switch verb {
	case "events":
		for _, event := range m.events() {
			fmt.Fprintln(d.out, event)
		}
	case "commit":
		return m.between(func() error { return d.commit(ctx, d.groups[name], m, rest) })
	case "committed":
		return d.committed(ctx, d.groups[name], m.topic, rest)
	case "seek":
		return m.between(func() error { return m.seek(rest[0]) })
	case "pause", "resume":
		partitions, err := numbers(rest)
		if err != nil {
			return err
		}
		return m.between(func() error {
			if verb == "pause" {
				m.client.PauseFetchPartitions(map[string][]int32{m.topic: partitions})
			} else {
				m.client.ResumeFetchPartitions(map[string][]int32{m.topic: partitions})
			}
			return nil
		})
	case "wakeup":
		m.wakeup()
	case "close":
		m.close()
	default:
		return fmt.Errorf("unknown command %s", verb)
	}
	return nil
}

func (d *driver) assign(ctx context.Context, name, group, topic string, starts map[string]string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(d.bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	offsets := make(map[int32]kgo.Offset)
	for partition, start := range starts {
		p, err := strconv.Atoi(partition)
		if err != nil {
			return err
		}
		at, err := strconv.ParseInt(start, 10, 64)
		if start == "stored" {
			var stored kadm.OffsetResponses
			stored, err = kadm.NewClient(client).FetchOffsets(ctx, group)
			found, _ := stored.Lookup(topic, int32(p))
			at = found.At
		}
		if err != nil {
			return err
		}
		offsets[int32(p)] = kgo.NewOffset().At(at)
	}
	assigned, err := assignMember(d.bootstrap, group, topic, offsets)
	d.members[name], d.groups[name] = assigned, group
	return err
}

// commit is a member's own; one whose partitions are assigned by hand commits for the group without being in it.
func (d *driver) commit(ctx context.Context, group string, m *member, words []string) error {
	var offsets kadm.Offsets
	for _, word := range words {
		parts := strings.SplitN(word, ":", 3)
		partition, err := strconv.Atoi(parts[0])
		if err != nil {
			return err
		}
		at, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return err
		}
		offsets.Add(kadm.Offset{Topic: m.topic, Partition: int32(partition), At: at, LeaderEpoch: -1, Metadata: parts[2]})
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

func (d *driver) committed(ctx context.Context, group, topic string, words []string) error {
	partitions, err := numbers(words)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(d.bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	stored, err := kadm.NewClient(client).FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		if found, ok := stored.Lookup(topic, partition); ok {
			fmt.Fprintf(d.out, "%d\t%d\t%s\n", partition, found.At, found.Metadata)
		} else {
			fmt.Fprintf(d.out, "%d\t-1\t\n", partition)
		}
	}
	return nil
}

func (m *member) seek(place string) error {
	partition, offset, _ := strings.Cut(place, ":")
	p, err := strconv.Atoi(partition)
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(offset, 10, 64)
	if err != nil {
		return err
	}
	m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{m.topic: {int32(p): {Epoch: -1, Offset: at}}})
	return nil
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

func pairs(words []string, separator string) map[string]string {
	found := make(map[string]string)
	for _, word := range words {
		name, value, _ := strings.Cut(word, separator)
		found[name] = value
	}
	return found
}

func numbers(words []string) ([]int32, error) {
	var found []int32
	for _, word := range words {
		number, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		found = append(found, int32(number))
	}
	return found, nil
}
