package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// group serves the commands for members of groups.
func (d *driver) group(words []string) (err error) {
	verb, name, rest := words[0], words[1], words[2:]
	m := d.members[name]
	switch verb {
	case "join":
		d.members[name], err = joinMember(d.bootstrap, rest[0], rest[1], pairs(rest[2:], "="))
	case "assign":
		d.members[name], err = assignMember(d.bootstrap, rest[0], rest[1], pairs(rest[2:], ":"))
	case "events":
		for _, event := range m.events() {
			fmt.Fprintln(d.out, event)
		}
	case "commit":
		return m.commit(rest)
	case "committed":
		return d.committed(m, rest)
	case "pause", "resume":
		places, err := numbers(rest)
		if err != nil {
			return err
		}
		partitions := make([]int32, len(places))
		for i, place := range places {
			partitions[i] = int32(place)
		}
		if verb == "pause" {
			m.group.Pause(map[string][]int32{m.topic: partitions})
			// The fetch under way still brings what it finds.
			time.Sleep(10 * fetchWaitMax)
		} else {
			m.group.Resume(map[string][]int32{m.topic: partitions})
		}
	case "close":
		return m.close()
	default:
		return fmt.Errorf("unknown command %s", verb)
	}
	return err
}

func (m *member) commit(words []string) error {
	for _, word := range words {
		parts := strings.SplitN(word, ":", 3)
		place, err := numbers(parts[:2])
		if err != nil {
			return err
		}
		partition, offset := int32(place[0]), place[1]
		if managed := m.managed[partition]; managed != nil {
			// Marking moves forward, resetting back; only one of them does anything.
			managed.MarkOffset(offset, parts[2])
			managed.ResetOffset(offset, parts[2])
		} else {
			m.session.MarkOffset(m.topic, partition, offset, parts[2])
		}
	}
	if m.offsets != nil {
		m.offsets.Commit()
	} else {
		m.session.Commit()
	}
	return nil
}

func (d *driver) committed(m *member, words []string) error {
	places, err := numbers(words)
	if err != nil {
		return err
	}
	partitions := make([]int32, len(places))
	for i, place := range places {
		partitions[i] = int32(place)
	}
	admin, err := sarama.NewClusterAdmin(d.bootstrap, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	answer, err := admin.ListConsumerGroupOffsets(m.name, map[string][]int32{m.topic: partitions})
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		block := answer.GetBlock(m.topic, partition)
		fmt.Fprintf(d.out, "%d\t%d\t%s\n", partition, block.Offset, block.Metadata)
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
