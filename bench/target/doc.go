// Package target owns the program that is measured, seen from outside: its
// configuration file, its process, and what the machine and its metrics page report
// about it.
//
// It guarantees that it needs only a command line, a configuration file and addresses,
// so that any program that speaks the protocols can be measured, and that a process
// started here ends with its Target. It must never import what it measures.
package target
