//go:build !windows

package scm

// ask is nil: only Windows can ask for Windows services.
var ask asking
