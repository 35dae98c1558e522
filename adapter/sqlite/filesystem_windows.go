package sqlite

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// networkFilesystem names the network filesystem a directory lies on, empty for a local one.
func networkFilesystem(directory string) (string, error) {
	root := filepath.VolumeName(directory) + `\`
	name, err := windows.UTF16PtrFromString(root)
	if err != nil {
		return "", err
	}
	if windows.GetDriveType(name) == windows.DRIVE_REMOTE {
		return "the network drive " + root, nil
	}
	return "", nil
}
