// Package deploy owns what the service is installed with: the unit of systemd,
// the container file and the manifests of Kubernetes. It only holds files.
package deploy

import _ "embed" // the unit is part of the program

// Unit is the unit of systemd, for the paths that the handbook uses.
//
//go:embed systemd/butler.service
var Unit string
