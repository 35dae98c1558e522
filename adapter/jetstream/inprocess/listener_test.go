package inprocess

import "testing"

// TestNoListener looks for ways to reach the server from outside, and for writes that are not flushed.
func TestNoListener(t *testing.T) {
	t.Parallel()
	opened, err := Directory(t.TempDir()).OpenBroker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	srv := opened.(*broker).server
	if client, monitor, cluster := srv.Addr(), srv.MonitorAddr(), srv.ClusterAddr(); client != nil || monitor != nil || cluster != nil {
		t.Errorf("the server listens at %v, %v and %v", client, monitor, cluster)
	}
	if !srv.JetStreamConfig().SyncAlways {
		t.Error("writes are not flushed")
	}
}
