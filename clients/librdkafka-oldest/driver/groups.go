package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

// group serves the commands for members of groups.
func (d *driver) group(words []string) (err error) {
	verb, name, rest := words[0], words[1], words[2:]
	switch verb {
	case "join":
		d.members[name], err = d.joinMember(rest[0], rest[1], pairs(rest[2:]))
		return err
	case "assign":
		d.members[name], err = d.assignMember(rest[0], rest[1], rest[2:])
		return err
	}
	m := d.members[name]
	switch verb {
	case "events":
		for _, event := range m.events() {
			fmt.Fprintln(d.out, event)
		}
		return nil
	case "stall":
		milliseconds, err := strconv.Atoi(rest[0])
		if err != nil {
			return err
		}
		m.commands <- func() { time.Sleep(time.Duration(milliseconds) * time.Millisecond) }
		return nil
	case "close":
		close(m.closing)
		return <-m.closed
	}
	places, err := placesOf(m.topic, rest)
	if err != nil {
		return err
	}
	return m.between(func() error { return d.move(m, verb, places) })
}

// move serves the commands that need the consumer, on its own thread.
func (d *driver) move(m *member, verb string, places []kafka.TopicPartition) error {
	switch verb {
	case "commit":
		_, err := m.consumer.CommitOffsets(places)
		return err
	case "committed":
		found, err := m.consumer.Committed(places, int(answerMax.Milliseconds()))
		for _, place := range found {
			note := ""
			if place.Metadata != nil {
				note = *place.Metadata
			}
			fmt.Fprintf(d.out, "%d\t%d\t%s\n", place.Partition, max(int64(place.Offset), -1), note)
		}
		return err
	case "seek":
		return m.consumer.Seek(places[0], int(answerMax.Milliseconds()))
	case "pause":
		return m.consumer.Pause(places)
	case "resume":
		return m.consumer.Resume(places)
	}
	return fmt.Errorf("unknown command %s", verb)
}

func pairs(words []string) map[string]string {
	found := make(map[string]string)
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		found[name] = value
	}
	return found
}
