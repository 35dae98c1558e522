package sqlite

import "syscall"

// networkFilesystem names the network filesystem a directory lies on, empty for a local one.
func networkFilesystem(directory string) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(directory, &stat); err != nil {
		return "", err
	}
	var name []byte
	for _, c := range stat.Fstypename {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	switch kind := string(name); kind {
	case "nfs", "smbfs", "afpfs", "webdav", "cifs":
		return kind, nil
	default:
		return "", nil
	}
}
