package main

import (
	"context"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// brokerVersions tells which servers there are, in one line.
func brokerVersions(ctx context.Context) (string, error) {
	var found []string
	for _, s := range []struct {
		name, variable string
		version        func(ctx context.Context, at string) (string, error)
	}{
		{"NATS", natsURL, natsVersion},
		{"RabbitMQ", rabbitMQURL, rabbitMQVersion},
		{"Redis", redisURL, redisVersion},
		{"Kafka", kafkaHost, kafkaVersion},
	} {
		at := os.Getenv(s.variable)
		if at == "" {
			continue
		}
		version, err := s.version(ctx, at)
		if err != nil {
			return "", err
		}
		found = append(found, s.name+" "+version)
	}
	return strings.Join(found, ", "), nil
}

func natsVersion(_ context.Context, url string) (string, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectedServerVersion(), nil
}

func rabbitMQVersion(_ context.Context, url string) (string, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return "", err
	}
	version, _ := conn.Properties["version"].(string)
	return version, conn.Close()
}

func redisVersion(ctx context.Context, url string) (string, error) {
	client, err := dialRedis(url)
	if err != nil {
		return "", err
	}
	defer client.Close()
	info, err := client.Info(ctx, "server").Result()
	for line := range strings.Lines(info) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			return version, err
		}
	}
	return unknown, err
}

func kafkaVersion(ctx context.Context, address string) (string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return "", err
	}
	defer client.Close()
	versions, err := kadm.NewClient(client).ApiVersions(ctx)
	if err != nil {
		return "", err
	}
	for _, broker := range versions {
		return strings.TrimPrefix(broker.VersionGuess(), "v"), nil
	}
	return unknown, nil
}
