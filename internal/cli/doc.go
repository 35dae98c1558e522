// Package cli is the command line: one file for each command, behind one function.
//
//	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
//
// Guarantees. What a command was asked for goes to standard output, and nothing else does. An error is one line on standard
// error with the way out. The exit status is 0 when all went well, 1 for a failure and 2 for bad usage. With --json, lists are
// one JSON object per line. Control characters that came from a store never reach a terminal.
package cli
