package main

import (
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"

	"millrace/clients/go/driver"
)

// group serves the commands for members of groups.
func (c *client) group(words []string) (err error) {
	verb, name, rest := words[0], words[1], words[2:]
	m := c.members[name]
	switch verb {
	case "join":
		c.members[name], err = c.joinMember(rest[0], rest[1], driver.Settings(rest[2:]))
		return err
	case "events":
		for _, event := range m.Take() {
			c.Print(event)
		}
		return nil
	case "stall":
		pause, err := driver.Milliseconds(rest[0])
		if err != nil {
			return err
		}
		m.commands <- func() { time.Sleep(pause) }
		return nil
	case "close":
		close(m.closing)
		return <-m.closed
	case "assign":
		rest = rest[2:]
	}
	places, err := driver.Places(rest)
	if err != nil {
		return err
	}
	if verb == "assign" {
		c.members[name], err = c.assignMember(words[2], words[3], places)
		return err
	}
	return m.commands.Run(func() error { return c.move(m, verb, positions(m.topic, places)) })
}

// move serves the commands that need the consumer, on its own thread.
func (c *client) move(m *member, verb string, places []kafka.TopicPartition) error {
	switch verb {
	case "commit":
		_, err := m.consumer.CommitOffsets(places)
		return err
	case "committed":
		found, err := m.consumer.Committed(places, int(driver.AnswerMax.Milliseconds()))
		for _, place := range found {
			note := ""
			if place.Metadata != nil {
				note = *place.Metadata
			}
			c.PrintCommitted(place.Partition, max(int64(place.Offset), -1), note)
		}
		return err
	case "seek":
		return m.consumer.Seek(places[0], int(driver.AnswerMax.Milliseconds()))
	case "pause":
		return m.consumer.Pause(places)
	case "resume":
		return m.consumer.Resume(places)
	}
	return fmt.Errorf("unknown command %s", verb)
}
