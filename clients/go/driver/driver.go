// Package driver is what the drivers in Go have in common: requests of matrix/driver.py and their answers, the words
// that both are made of, and what members of groups note (see matrix/members.py).
package driver

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// AnswerMax is how long a request may take.
	AnswerMax = 60 * time.Second
	// RecordBytesMax is how large the largest record of a request is, with all that belongs to it.
	RecordBytesMax = 2_000_000
	// AutoCommitInterval is that of members which commit by themselves.
	AutoCommitInterval = 200 * time.Millisecond
	// HeartbeatInterval is that of members.
	HeartbeatInterval = time.Second
	// FetchWaitMax keeps an idle fetch from holding a record back until it ends.
	FetchWaitMax = 100 * time.Millisecond

	lineBytesMax = 4 << 20
	lineBytes    = 1 << 20
)

// Lines are the requests on standard input and the answers on standard output.
type Lines struct {
	in  *bufio.Scanner
	out *bufio.Writer
}

// Header is one of a record.
type Header struct{ Name, Value string }

// Produce asks for records that stand in the lines behind it.
type Produce struct {
	Topic, Codec string
	Idempotent   bool
	Count        int
	// Headers of each record.
	Headers []Header
}

// Consume asks for so many records from these places on.
type Consume struct {
	Topic  string
	Count  int
	Starts []Place
}

// Serve answers each request on standard input: with what `serve` prints, and `done` or `failed`.
func Serve(serve func(lines *Lines, words []string) error) {
	lines := &Lines{bufio.NewScanner(os.Stdin), bufio.NewWriterSize(os.Stdout, lineBytes)}
	lines.in.Buffer(make([]byte, lineBytes), lineBytesMax)
	for lines.in.Scan() {
		if err := serve(lines, strings.Split(lines.in.Text(), " ")); err != nil {
			fmt.Fprintf(lines.out, "failed %s\n", OneLine(err.Error()))
		} else {
			fmt.Fprintln(lines.out, "done")
		}
		lines.out.Flush()
	}
}

// ParseProduce reads the words TOPIC CODEC IDEMPOTENT COUNT HEADERS behind the verb.
func ParseProduce(words []string) (Produce, error) {
	count, err := strconv.Atoi(words[4])
	var headers []Header
	for _, header := range strings.Split(words[5], ",") {
		name, value, _ := strings.Cut(header, "=")
		headers = append(headers, Header{name, value})
	}
	return Produce{words[1], words[2], words[3] == "true", count, headers}, err
}

// ParseConsume reads the words TOPIC COUNT PLACE... behind the verb.
func ParseConsume(words []string) (Consume, error) {
	count, err := strconv.Atoi(words[2])
	if err != nil {
		return Consume{}, err
	}
	starts, err := Places(words[3:])
	return Consume{words[1], count, starts}, err
}

// Records gives the records of a request that produces to `take`, in order.
func (l *Lines) Records(count int, take func(key, value string) error) error {
	for range count {
		if !l.in.Scan() {
			return fmt.Errorf("the records of the request end early: %v", l.in.Err())
		}
		key, value, _ := strings.Cut(l.in.Text(), "\t")
		if err := take(key, value); err != nil {
			return err
		}
	}
	return nil
}

// Print writes one line of an answer.
func (l *Lines) Print(line string) {
	fmt.Fprintln(l.out, line)
}

// PrintRecord writes a record that was read.
func (l *Lines) PrintRecord(partition int32, offset int64, key []byte, headers []Header, value []byte) {
	var pairs []string
	for _, header := range headers {
		pairs = append(pairs, header.Name+"="+header.Value)
	}
	fmt.Fprintf(l.out, "%d\t%d\t%s\t%s\t%s\n", partition, offset, key, strings.Join(pairs, ","), value)
}

// PrintCommitted writes an offset that a group has committed; -1 is none.
func (l *Lines) PrintCommitted(partition int32, offset int64, metadata string) {
	fmt.Fprintf(l.out, "%d\t%d\t%s\n", partition, offset, metadata)
}

// Produced is the line of a record that was produced, or refused.
func Produced(partition int32, offset int64, err error) string {
	if err != nil {
		return "error\t" + OneLine(err.Error())
	}
	return fmt.Sprintf("%d\t%d", partition, offset)
}

// OneLine is a text without line ends.
func OneLine(text string) string {
	return strings.ReplaceAll(text, "\n", " ")
}
