package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// The servers of the contests on messaging, by the variables of scripts/backends.
const (
	natsURL     = "CARILLON_TEST_NATS"
	natsProgram = "CARILLON_TEST_NATS_SERVER"
	rabbitMQURL = "CARILLON_TEST_RABBITMQ"
	redisURL    = "CARILLON_TEST_REDIS"
	kafkaHost   = "CARILLON_TEST_KAFKA"
)

// server returns where a server is. Without one the contest is skipped.
func server(variable string) (string, error) {
	at := os.Getenv(variable)
	if at == "" {
		name := strings.ToLower(strings.TrimPrefix(variable, "CARILLON_TEST_"))
		return "", fmt.Errorf("%w: there is no %s: set %s, as scripts/backends does", errSkip, strings.ReplaceAll(name, "_", " "), variable)
	}
	return at, nil
}

// fresh returns a name that nothing has on a server.
func fresh() string { return "bench-" + strings.ToLower(rand.Text()[:12]) }

// startNATS starts a server that flushes every two minutes, as it does by default, with its files in the workspace.
func startNATS(ctx context.Context, w *workspace) (url string, stop func() error, err error) {
	program, err := server(natsProgram)
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	at := listener.Addr().String()
	host, port, err := net.SplitHostPort(at)
	if err := errors.Join(err, listener.Close()); err != nil {
		return "", nil, err
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program, "--addr", host, "--port", port, "--jetstream", "--store_dir", w.path("nats"))
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		err := command.Process.Kill()
		_ = command.Wait() // it was killed
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	url = "nats://" + at
	err = await(limited, func() (bool, error) {
		conn, err := nats.Connect(url, nats.Timeout(time.Second))
		if err == nil {
			conn.Close()
		}
		return err == nil, nil
	})
	if err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return url, stop, nil
}
