package sqlite

import "testing"

func TestNetworkFilesystems(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0x00c36400: "CephFS",
		0xef53: "", 0x58465342: "", 0x01021994: "", 0x9123683e: "", // ext4, XFS, tmpfs, Btrfs
	} {
		if got := networkName(magic); got != want {
			t.Errorf("magic %#x: got %q, want %q", magic, got, want)
		}
	}
	if name, err := networkFilesystem(t.TempDir()); err != nil || name != "" {
		t.Errorf("the temporary directory: got %q, %v; want a local filesystem", name, err)
	}
}
