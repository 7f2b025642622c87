package driver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Notes are what a member saw, each with its time. Many may write to them.
type Notes struct {
	mutex sync.Mutex
	notes []string
}

// Note adds an event.
func (n *Notes) Note(event string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.notes = append(n.notes, fmt.Sprintf("%d %s", time.Now().UnixMilli(), OneLine(event)))
}

// NoteRecord adds a record that was read.
func (n *Notes) NoteRecord(partition int32, offset int64, key []byte) {
	n.Note(fmt.Sprintf("record %d %d %s", partition, offset, key))
}

// NotePartitions adds what became of partitions: `assigned`, `revoked` or `lost`.
func (n *Notes) NotePartitions(kind string, partitions []int32) {
	var words []string
	for _, partition := range slices.Sorted(slices.Values(partitions)) {
		words = append(words, strconv.Itoa(int(partition)))
	}
	if len(words) == 0 {
		words = []string{"-"}
	}
	n.Note(kind + " " + strings.Join(words, ","))
}

// Take gives what was noted since the last call.
func (n *Notes) Take() []string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	taken := n.notes
	n.notes = nil
	return taken
}

// Commands are what a member that polls does between two polls.
type Commands chan func()

// NewCommands gives room for those that come while one is served.
func NewCommands() Commands {
	return make(Commands, 8)
}

// Serve runs the commands that wait.
func (c Commands) Serve() {
	for {
		select {
		case command := <-c:
			command()
		default:
			return
		}
	}
}

// Run hands in a command and waits for it.
func (c Commands) Run(command func() error) error {
	done := make(chan error, 1)
	c <- func() { done <- command() }
	select {
	case err := <-done:
		return err
	case <-time.After(AnswerMax):
		return fmt.Errorf("the member took no command for %s", AnswerMax)
	}
}
