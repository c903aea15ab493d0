// Package config owns the configuration of the service: which keys exist, what
// they mean, where their values come from, and the typed sections that the rest
// of the program reads.
//
// The keys are data (schema.yaml, and one schema per destination).
// A value comes from the built-in default, the configuration file, a BUTLER_
// environment variable or the command line; the later one wins. All problems of all
// sources are found in one pass, and reported with place, reason and, where there is
// one, a suggestion.
//
// It guarantees that a loaded Config is complete, valid and immutable, and safe for
// concurrent use; and that the text of a secret leaves it only through a
// secret.String, a section that its owner decodes, or Secrets, never through a
// problem, a note or Shown.
//
// It must never watch, write or reload a file, look beyond the given file for
// settings, or know what a destination does with its section.
package config
