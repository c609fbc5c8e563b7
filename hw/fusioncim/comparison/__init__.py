"""Units of other designs as RTL, to be compared through the same flow. No chip has them; nothing else imports them."""
