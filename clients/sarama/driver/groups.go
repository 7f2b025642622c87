package main

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"millrace/clients/go/driver"
)

// group serves the commands for members of groups.
func (c *client) group(words []string) (err error) {
	verb, name, rest := words[0], words[1], words[2:]
	m := c.members[name]
	switch verb {
	case "join":
		c.members[name], err = joinMember(c.bootstrap, rest[0], rest[1], driver.Settings(rest[2:]))
		return err
	case "events":
		for _, event := range m.Take() {
			c.Print(event)
		}
		return nil
	case "close":
		return m.close()
	case "assign":
		rest = rest[2:]
	}
	places, err := driver.Places(rest)
	if err != nil {
		return err
	}
	switch verb {
	case "assign":
		c.members[name], err = assignMember(c.bootstrap, words[2], words[3], places)
		return err
	case "commit":
		m.commit(places)
	case "committed":
		return c.committed(m, driver.Partitions(places))
	case "pause":
		m.group.Pause(map[string][]int32{m.topic: driver.Partitions(places)})
		// The fetch under way still brings what it finds.
		time.Sleep(10 * driver.FetchWaitMax)
	case "resume":
		m.group.Resume(map[string][]int32{m.topic: driver.Partitions(places)})
	default:
		return fmt.Errorf("unknown command %s", verb)
	}
	return nil
}

func (m *member) commit(places []driver.Place) {
	for _, place := range places {
		if managed := m.managed[place.Partition]; managed != nil {
			// Marking moves forward, resetting back; only one of them does anything.
			managed.MarkOffset(place.Offset, place.Metadata)
			managed.ResetOffset(place.Offset, place.Metadata)
		} else {
			m.session.MarkOffset(m.topic, place.Partition, place.Offset, place.Metadata)
		}
	}
	if m.offsets != nil {
		m.offsets.Commit()
	} else {
		m.session.Commit()
	}
}

func (c *client) committed(m *member, partitions []int32) error {
	admin, err := sarama.NewClusterAdmin(c.bootstrap, config())
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
		c.PrintCommitted(partition, block.Offset, block.Metadata)
	}
	return nil
}
