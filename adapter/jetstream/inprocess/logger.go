package inprocess

import (
	"fmt"
	"log/slog"
	"sync"
)

// logger passes the server's words on, and keeps its last ones.
type logger struct {
	log   *slog.Logger
	mu    sync.Mutex
	fatal string
}

func (l *logger) failure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *logger) say(level func(string, ...any), format string, args []any) {
	level("NATS server", slog.String("text", fmt.Sprintf(format, args...)))
}

func (l *logger) Noticef(format string, args ...any) { l.say(l.log.Debug, format, args) }

func (l *logger) Warnf(format string, args ...any) { l.say(l.log.Warn, format, args) }

func (l *logger) Errorf(format string, args ...any) { l.say(l.log.Error, format, args) }

func (l *logger) Debugf(format string, args ...any) { l.say(l.log.Debug, format, args) }

func (l *logger) Tracef(format string, args ...any) { l.say(l.log.Debug, format, args) }

// Fatalf keeps the words: the program goes on, opening the broker fails.
func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	l.fatal = fmt.Sprintf(format, args...)
	l.mu.Unlock()
	l.say(l.log.Error, format, args)
}
