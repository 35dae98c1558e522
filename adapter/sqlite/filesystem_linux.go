package sqlite

import "syscall"

// The magic numbers of network filesystems, from statfs(2) and the Linux sources.
const (
	magicNFS   = 0x6969
	magicSMB   = 0x517b
	magicCIFS  = 0xff534d42
	magicSMB2  = 0xfe534d42
	magicAFS   = 0x5346414f
	magicCoda  = 0x73757245
	magicCeph  = 0x00c36400
	magicNCP   = 0x564c
	magicP9    = 0x01021997
	magicGFS2  = 0x01161970
	magicOCFS2 = 0x7461636f
)

// networkFilesystem names the network filesystem a directory lies on, empty for a local one.
func networkFilesystem(directory string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(directory, &stat); err != nil {
		return "", err
	}
	return networkName(uint32(stat.Type)), nil
}

func networkName(magic uint32) string {
	switch magic {
	case magicNFS:
		return "NFS"
	case magicSMB, magicCIFS, magicSMB2:
		return "SMB"
	case magicAFS:
		return "AFS"
	case magicCoda:
		return "Coda"
	case magicCeph:
		return "CephFS"
	case magicNCP:
		return "NCP"
	case magicP9:
		return "9P"
	case magicGFS2:
		return "GFS2"
	case magicOCFS2:
		return "OCFS2"
	default:
		return ""
	}
}
