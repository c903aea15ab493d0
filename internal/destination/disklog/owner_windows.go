package disklog

import "os"

// handOver does nothing: a file gets its rights from its directory.
func handOver(*os.Root, string) {}
