package cli

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// terminal is a terminal that the test sits at.
type terminal struct{ person, program *os.File }

func openTerminal(t *testing.T) terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	var locked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, failure := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value))); failure != 0 {
			t.Fatal(failure)
		}
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return terminal{person: person, program: program}
}

// runAt runs a command line at a terminal, types an answer and returns the question.
func runAt(t *testing.T, answer string, args ...string) (question string, r result) {
	t.Helper()
	at := openTerminal(t)
	var stdout strings.Builder
	ended := make(chan int, 1)
	go func() {
		status := Run(t.Context(), args, at.program, &stdout, at.program)
		_, _ = at.program.WriteString("]") // a command that did not ask keeps nobody waiting
		ended <- status
	}()
	shown := bufio.NewReader(at.person)
	question, err := shown.ReadString(']')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.person.WriteString(answer); err != nil {
		t.Fatal(err)
	}
	r.status = <-ended
	r.stdout = stdout.String()
	return question, r
}

func TestDiscardAsksOnATerminal(t *testing.T) {
	t.Parallel()
	store := emptyFile(t)
	service := newMailroom(store, true)
	service.open(t)
	service.place(t, "ann", "ann", "ann", "ann")
	service.stop()
	for i, test := range []struct {
		name, answer string
		discarded    bool
	}{
		{"y", "y\n", true},
		{"nothing", "\n", false},
		{"no", "no\n", false},
		{"yes", "YES\n", true},
		{"the end of input", "\x04", false},
		{"something else", "maybe\n", false},
	} {
		first := []string{"1", "2", "2", "2", "3", "3"}[i]
		question, r := runAt(t, test.answer, "deadletter", "discard", "mails", "ann", first, "--store", store)
		if want := "Have mails pass over order.placed at position " + first + ", of key ann? [y/N]"; question != want {
			t.Errorf("%s: it asks %q, want %q", test.name, question, want)
		}
		if (r.status == StatusOK) != test.discarded || strings.HasPrefix(r.stdout, "discarded position "+first+" ") != test.discarded {
			t.Errorf("%s: exit %d, %q, discarded: want %t", test.name, r.status, r.stdout, test.discarded)
		}
	}
	if left := mustRun(t, "deadletter", "list", "--store", store, "--json"); !strings.Contains(left, `"letters":2,"first":3,`) {
		t.Errorf("left: %s", left)
	}
}
