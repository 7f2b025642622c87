package driver

import (
	"strconv"
	"strings"
	"time"
)

// Stored stands for the offset that the group has committed.
const Stored int64 = -1000

// Place is a partition, and where in it.
type Place struct {
	Partition int32
	Offset    int64
	// Metadata stands beside an offset that is committed.
	Metadata string
}

// Places reads words PARTITION, PARTITION:OFFSET or PARTITION:OFFSET:METADATA; the offset may be `stored`, and is where
// there is none.
func Places(words []string) ([]Place, error) {
	var places []Place
	for _, word := range words {
		parts := strings.SplitN(word, ":", 3)
		partition, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil {
			return nil, err
		}
		place := Place{Partition: int32(partition), Offset: Stored}
		if len(parts) > 1 && parts[1] != "stored" {
			if place.Offset, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
				return nil, err
			}
		}
		if len(parts) > 2 {
			place.Metadata = parts[2]
		}
		places = append(places, place)
	}
	return places, nil
}

// Partitions are those of places.
func Partitions(places []Place) []int32 {
	partitions := make([]int32, len(places))
	for i, place := range places {
		partitions[i] = place.Partition
	}
	return partitions
}

// Settings reads words NAME=VALUE.
func Settings(words []string) map[string]string {
	settings := make(map[string]string)
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		settings[name] = value
	}
	return settings
}

// Milliseconds reads a number of them.
func Milliseconds(word string) (time.Duration, error) {
	number, err := strconv.ParseInt(word, 10, 64)
	return time.Duration(number) * time.Millisecond, err
}
