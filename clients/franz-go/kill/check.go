package main

import (
	"fmt"
	"hash/fnv"
	"sync"
)

// mark names one record: who sent it to its partition, and as which of that producer's records there.
type mark struct {
	producer uint32
	counter  uint64
}

// kind says what a producer promises about its own repeats.
type kind int

const (
	plain kind = iota
	idempotent
)

// faultsKept bounds what is reported: the first faults tell the story.
const faultsKept = 20

// ledger keeps what was sent and acknowledged; callbacks of all producers write to it.
type ledger struct {
	mutex        sync.Mutex
	kinds        []kind // by producer number; 0 is nobody
	sent         []map[uint32]uint64
	acknowledged [][]mark // partition, offset
	records      uint64
	faults       []string
	faultsTotal  int
}

func newLedger(partitions int) *ledger {
	l := &ledger{kinds: []kind{plain}, acknowledged: make([][]mark, partitions)}
	for range partitions {
		l.sent = append(l.sent, make(map[uint32]uint64))
	}
	return l
}

func (l *ledger) addProducer(k kind) uint32 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.kinds = append(l.kinds, k)
	return uint32(len(l.kinds) - 1)
}

// send gives the next record of the producer in the partition.
func (l *ledger) send(partition int, producer uint32) mark {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	counter := l.sent[partition][producer]
	l.sent[partition][producer] = counter + 1
	return mark{producer, counter}
}

func (l *ledger) acknowledge(partition int, offset int64, m mark) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if offset < 0 {
		l.addFault("partition %d: %s acknowledged at offset %d", partition, m, offset)
		return
	}
	marks := l.acknowledged[partition]
	for int64(len(marks)) <= offset {
		marks = append(marks, mark{})
	}
	if before := marks[offset]; before.producer != 0 {
		l.addFault("partition %d offset %d: acknowledged to %s and to %s", partition, offset, before, m)
	}
	marks[offset] = m
	l.acknowledged[partition] = marks
	l.records++
}

func (l *ledger) acknowledgedAt(partition int, offset int64) mark {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if offset < int64(len(l.acknowledged[partition])) {
		return l.acknowledged[partition][offset]
	}
	return mark{}
}

// acknowledgedEnd is the first offset above every acknowledged one.
func (l *ledger) acknowledgedEnd(partition int) int64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return int64(len(l.acknowledged[partition]))
}

func (l *ledger) kindOf(producer uint32) (kind, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if producer == 0 || int(producer) >= len(l.kinds) {
		return plain, false
	}
	return l.kinds[producer], true
}

func (l *ledger) fault(format string, arguments ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.addFault(format, arguments...)
}

func (l *ledger) addFault(format string, arguments ...any) {
	l.faultsTotal++
	if len(l.faults) < faultsKept {
		l.faults = append(l.faults, fmt.Sprintf(format, arguments...))
	}
}

// counts gives records sent and acknowledged, and the faults found so far.
func (l *ledger) counts() (sent, acknowledged uint64, faults []string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, counters := range l.sent {
		for _, counter := range counters {
			sent += counter
		}
	}
	faults = append([]string{}, l.faults...)
	if more := l.faultsTotal - len(l.faults); more > 0 {
		faults = append(faults, fmt.Sprintf("and %d more", more))
	}
	return sent, l.records, faults
}

func (m mark) String() string {
	return fmt.Sprintf("record %d of producer %d", m.counter, m.producer)
}

// checker reads one partition's records in offset order and holds each to what was sent and acknowledged.
type checker struct {
	partition int
	position  int64 // the offset expected next
	next      map[uint32]uint64
	repeated  uint64
	digest    uint64 // of everything below the position
}

func newCheckers(partitions int) []*checker {
	checkers := make([]*checker, 0, partitions)
	for p := range partitions {
		checkers = append(checkers, &checker{partition: p, next: make(map[uint32]uint64)})
	}
	return checkers
}

// take holds the record at an offset to the order of its producer. Intact says whether its content is what was sent.
func (c *checker) take(l *ledger, offset int64, m mark, intact bool) {
	if offset != c.position {
		l.fault("partition %d: offset %d where %d belongs", c.partition, offset, c.position)
	}
	c.position = offset + 1
	c.digest = mix(c.digest, offset, m)
	k, known := l.kindOf(m.producer)
	if !known || !intact {
		l.fault("partition %d offset %d: content that nobody sent (%s)", c.partition, offset, m)
		return
	}
	switch want := c.next[m.producer]; {
	case m.counter == want:
		c.next[m.producer] = want + 1
	case m.counter > want:
		l.fault("partition %d offset %d: %s where %d belongs: lost or out of order", c.partition, offset, m, want)
		c.next[m.producer] = m.counter + 1
	case k == idempotent:
		l.fault("partition %d offset %d: %s is there again", c.partition, offset, m)
	default:
		c.repeated++
	}
}

// takeFinal is take, and the record must be the acknowledged one if its offset was acknowledged.
func (c *checker) takeFinal(l *ledger, offset int64, m mark, intact bool) {
	if promised := l.acknowledgedAt(c.partition, offset); promised.producer != 0 && promised != m {
		l.fault("partition %d offset %d: acknowledged to %s, holds %s", c.partition, offset, promised, m)
	}
	c.take(l, offset, m, intact)
}

// finish compares the end of the partition with the acknowledged offsets and, as all were answered, with all sent.
func (c *checker) finish(l *ledger) {
	if end := l.acknowledgedEnd(c.partition); c.position < end {
		l.fault("partition %d ends at %d below the acknowledged offset %d", c.partition, c.position, end-1)
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for producer, sent := range l.sent[c.partition] {
		if found := c.next[producer]; found != sent {
			l.addFault("partition %d: %d records of producer %d, which sent %d", c.partition, found, producer, sent)
		}
	}
}

func mix(digest uint64, offset int64, m mark) uint64 {
	h := fnv.New64a()
	var bytes [28]byte
	for i := range 8 {
		bytes[i] = byte(digest >> (8 * i))
		bytes[8+i] = byte(offset >> (8 * i))
		bytes[16+i] = byte(m.counter >> (8 * i))
	}
	for i := range 4 {
		bytes[24+i] = byte(m.producer >> (8 * i))
	}
	_, _ = h.Write(bytes[:])
	return h.Sum64()
}
