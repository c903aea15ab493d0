package disk

// SpeedOf is speedOf.
var SpeedOf = speedOf
