// Package logx owns logging: the construction of the logger, the constructors of all
// common fields, and the suppression of repeated lines.
//
// It guarantees that a field has the same name in every line, and that text from outside
// cannot forge a line or control a terminal. It must never keep a global logger.
package logx
