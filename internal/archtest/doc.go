// Package archtest holds the repository to its own law: the layer table of ARCHITECTURE.md, the size of files and ports, and
// the names and links its pages use.
//
// [Check] reads source files itself, imports first, instead of asking the go command: a test that runs another program is
// cached without that program's inputs and goes on passing after a violation. It sees files of every build constraint.
//
// The table is the one in ARCHITECTURE.md with the columns "package", "holds" and "may import". A row's first cell names one
// package by its path below the module, in backquotes: "." is the root, a trailing "/*" covers everything below, and
// "*_test.go" says what tests may import beyond what their package may. Its last cell lists, separated by commas, paths of
// packages, paths of other modules, "testing", "any package" (of this module), or "standard library only".
package archtest
