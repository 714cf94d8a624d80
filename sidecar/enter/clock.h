/* Time that nobody sets. */
#pragma once

long now_ms(void);
void rest_ms(long duration);
