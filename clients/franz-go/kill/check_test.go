package main

import (
	"strings"
	"testing"
)

// Producer 1 is idempotent, producer 2 plain. A log is written as producer.counter by offset, `x` for bytes nobody sent.
func TestJudgement(t *testing.T) {
	cases := []struct {
		name         string
		log          string
		acknowledged string // as the log, `-` where no offset was acknowledged
		fault        string // part of the first fault, empty if there must be none
	}{
		{"all there", "1.0 1.1 2.0 1.2", "1.0 1.1 2.0 1.2", ""},
		{"plain producer repeats", "2.0 2.1 2.0 2.1 1.0", "- - 2.0 2.1 1.0", ""},
		{"idempotent producer repeats", "1.0 1.1 1.1", "1.0 1.1", "is there again"},
		{"whole batch of an idempotent producer repeats", "1.0 1.1 1.0 1.1", "- - 1.0 1.1", "is there again"},
		{"lost at the end", "1.0 1.1", "1.0 1.1 1.2", "below the acknowledged offset 2"},
		{"lost in the middle", "1.0 1.2", "1.0 - ", "lost or out of order"},
		{"lost from a plain producer", "2.0 2.2", "2.0 - ", "lost or out of order"},
		{"acknowledged and overwritten", "1.0 2.0", "1.0 1.1", "acknowledged to record 1 of producer 1, holds"},
		{"reordered", "1.1 1.0", "1.1 1.0", "lost or out of order"},
		{"plain producer's repeats hide a loss", "2.0 2.1 2.0 2.1 2.3", "2.0", "lost or out of order"},
		{"garbled", "1.0 x", "1.0", "content that nobody sent"},
		{"offsets skip", "1.0 ! 1.1", "1.0", "offset 2 where 1 belongs"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { judge(t, c.log, c.acknowledged, c.fault) })
	}
}

func TestSentButMissing(t *testing.T) {
	l := twoProducers()
	l.send(0, 1)
	newCheckers(1)[0].finish(l)
	wantFault(t, l, "0 records of producer 1, which sent 1")
}

func TestVanishedAfterSeen(t *testing.T) {
	l := twoProducers()
	seen, now := newCheckers(1)[0], newCheckers(1)[0]
	seen.take(l, 0, mark{1, 0}, true)
	seen.take(l, 1, mark{2, 0}, true)
	now.take(l, 0, mark{1, 0}, true)
	compareSeen(l, seen.witness(), now)
	wantFault(t, l, "")
	now.take(l, 1, mark{1, 1}, true)
	compareSeen(l, seen.witness(), now)
	wantFault(t, l, "a consumer had seen other records below offset 2")
}

func TestAcknowledgedTwice(t *testing.T) {
	l := twoProducers()
	l.acknowledge(0, 0, mark{1, 0})
	l.acknowledge(0, 0, mark{2, 0})
	wantFault(t, l, "acknowledged to record 0 of producer 1 and to record 0 of producer 2")
}

func TestContent(t *testing.T) {
	var large int
	for counter := range uint64(3000) {
		m := mark{7, counter}
		value := encode(m)
		if len(value) > 200_000 {
			large++
		}
		if back, intact := decode(value); back != m || !intact {
			t.Fatalf("%v came back as %v, intact %v", m, back, intact)
		}
		value[len(value)-1] ^= 1
		if _, intact := decode(value); intact {
			t.Fatalf("%v: a flipped bit is not seen", m)
		}
		if _, intact := decode(value[:len(value)-1]); intact {
			t.Fatalf("%v: a missing byte is not seen", m)
		}
	}
	if large == 0 {
		t.Fatal("no record is large")
	}
}

func twoProducers() *ledger {
	l := newLedger(1)
	l.addProducer(idempotent)
	l.addProducer(plain)
	return l
}

func judge(t *testing.T, log, acknowledged, fault string) {
	l := twoProducers()
	for offset, word := range strings.Fields(acknowledged) {
		if m, intact := parse(word); intact {
			l.acknowledge(0, int64(offset), m)
		}
	}
	c := newCheckers(1)[0]
	for offset, word := range strings.Fields(log) {
		if m, intact := parse(word); word != "!" {
			l.sent[0][m.producer] = max(l.sent[0][m.producer], m.counter+1)
			c.takeFinal(l, int64(offset), m, intact)
		}
	}
	delete(l.sent[0], 0)
	c.finish(l)
	wantFault(t, l, fault)
}

func parse(word string) (mark, bool) {
	if len(word) != 3 {
		return mark{}, false
	}
	return mark{uint32(word[0] - '0'), uint64(word[2] - '0')}, true
}

func wantFault(t *testing.T, l *ledger, fault string) {
	t.Helper()
	_, _, faults := l.counts()
	switch {
	case fault == "" && len(faults) > 0:
		t.Fatalf("found %q in a good log", faults)
	case fault != "" && len(faults) == 0:
		t.Fatalf("did not find %q", fault)
	case fault != "" && !strings.Contains(faults[0], fault):
		t.Fatalf("found %q, not %q", faults[0], fault)
	}
}
