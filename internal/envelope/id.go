package envelope

// UUID returns the bytes of an id that is a UUID in canonical form: 36 characters, in lower case. ok is false for any other id, which
// has to be stored as it is.
func UUID(id string) (raw [16]byte, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return raw, false
	}
	at, wrong := 0, byte(0)
	for i := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++
		}
		high, low := nibble(id[at]), nibble(id[at+1])
		raw[i] = high<<4 | low
		wrong |= high | low
		at += 2
	}
	return raw, wrong < 16
}

// nibble is the value of a hexadecimal digit, 16 or more for any other character.
func nibble(digit byte) byte {
	switch {
	case '0' <= digit && digit <= '9':
		return digit - '0'
	case 'a' <= digit && digit <= 'f':
		return digit - 'a' + 10
	default:
		return 16
	}
}
