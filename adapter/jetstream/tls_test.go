package jetstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/adapter/jetstream"
)

// certificate makes a certificate of a server on this machine, signed by itself.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS talks to a server that wants TLS, and only if its certificate is trusted.
func TestTLS(t *testing.T) {
	t.Parallel()
	own, pool := certificate(t)
	url := startServer(t, func(o *server.Options) {
		o.TLS, o.TLSTimeout, o.TLSConfig = true, 10, &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	}).ClientURL()
	b := open(t, url, jetstream.TLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	declare(t, b, carillon.Topic{Name: "orders"})
	publish(t, b, "orders", message("a", 0))
	if _, err := jetstream.Server(url).OpenBroker(t.Context()); err == nil {
		t.Error("an unknown certificate was trusted")
	}
	if _, err := jetstream.Server(url, jetstream.Credentials(t.TempDir()+"/none")).OpenBroker(t.Context()); err == nil || errors.Is(err, carillon.ErrUnsupported) {
		t.Errorf("without a credentials file: %v", err)
	}
}
