// Package logx owns how the service logs: the construction of the logger, every
// field constructor, and the counting of repeated lines.
//
// It guarantees that one thing has one field name everywhere, and that text
// from outside cannot forge a line. It must never keep a global logger.
package logx
