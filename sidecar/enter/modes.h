/* Terminal modes as SSH encodes them: RFC 4254 §8. */
#pragma once

#include <stddef.h>
#include <termios.h>

/* Changes `settings` by what is known of the encoded modes; the rest is ignored, as the RFC asks. */
void apply_modes(const unsigned char *modes, size_t length, struct termios *settings);
