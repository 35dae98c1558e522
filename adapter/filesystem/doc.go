// Package filesystem keeps large payloads as files in a directory.
//
//	blobs := filesystem.Directory("data/blobs")
//	var scans = messaging.NewTopic("scans", messaging.Document[Scan]("scan"), messaging.ClaimCheck(64<<10, blobs))
//
// A payload lies under its topic, the day it was put on (in UTC) and its SHA-256: the same payload put twice on a day is one file. Processes
// that share the directory, on one machine or over a network filesystem, share the payloads. Files have mode 0600, directories 0700.
//
// Guarantees. When Put returns, the file and the directories above it are flushed to the disk. A file is there whole or not at all. What
// voids that: a disk or a network filesystem that lies about flushing. A directory that nothing was ever put into, such as the place
// a disk is to be mounted at, counts as not reached: nothing is taken for missing there.
package filesystem
