#include "modes.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
	TTY_OP_END = 0,
	TTY_OP_ISPEED = 128,
	TTY_OP_OSPEED = 129,
	FIRST_WITHOUT_ARGUMENT = 160, /* 1 to 159 take a uint32; of what follows we do not know the length */
	DISABLED = 255,               /* of a control character */
};

struct flag {
	unsigned char opcode;
	tcflag_t bits;
};

static const struct {
	unsigned char opcode, index;
} characters[] = {
	{1, VINTR}, {2, VQUIT},  {3, VERASE},    {4, VKILL},   {5, VEOF},   {6, VEOL},      {7, VEOL2},
	{8, VSTART}, {9, VSTOP}, {10, VSUSP}, {12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {18, VDISCARD},
};

static const struct flag input_flags[] = {
	{30, IGNPAR}, {31, PARMRK}, {32, INPCK}, {33, ISTRIP}, {34, INLCR},   {35, IGNCR}, {36, ICRNL},
	{37, IUCLC},  {38, IXON},   {39, IXANY}, {40, IXOFF},  {41, IMAXBEL}, {42, IUTF8}, {0, 0},
};

static const struct flag local_flags[] = {
	{50, ISIG},   {51, ICANON}, {52, XCASE},  {53, ECHO},    {54, ECHOE},   {55, ECHOK},  {56, ECHONL},
	{57, NOFLSH}, {58, TOSTOP}, {59, IEXTEN}, {60, ECHOCTL}, {61, ECHOKE}, {62, PENDIN}, {0, 0},
};

static const struct flag output_flags[] = {
	{70, OPOST}, {71, OLCUC}, {72, ONLCR}, {73, OCRNL}, {74, ONOCR}, {75, ONLRET}, {0, 0},
};

static const struct flag control_flags[] = {{92, PARENB}, {93, PARODD}, {0, 0}};

/* The character size is a field of two bits: CS7 is a part of it, not a flag. */
static const struct flag character_sizes[] = {{90, CS7}, {91, CS8}, {0, 0}};

static const struct {
	uint32_t bits_per_second;
	speed_t speed;
} speeds[] = {
	{0, B0},         {50, B50},       {75, B75},       {110, B110},     {134, B134},     {150, B150},
	{200, B200},     {300, B300},     {600, B600},     {1200, B1200},   {1800, B1800},   {2400, B2400},
	{4800, B4800},   {9600, B9600},   {19200, B19200}, {38400, B38400}, {57600, B57600}, {115200, B115200},
	{230400, B230400}, {460800, B460800}, {921600, B921600},
};

static bool find_speed(uint32_t bits_per_second, speed_t *speed)
{
	for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
		if (speeds[i].bits_per_second == bits_per_second) {
			*speed = speeds[i].speed;
			return true;
		}
	return false;
}

static const struct flag *find_flag(const struct flag *flags, unsigned opcode)
{
	for (; flags->opcode; flags++)
		if (flags->opcode == opcode)
			return flags;
	return NULL;
}

static void set_flag(const struct flag *flags, unsigned opcode, uint32_t value, tcflag_t *field)
{
	const struct flag *flag = find_flag(flags, opcode);
	if (flag)
		*field = value ? *field | flag->bits : *field & ~flag->bits;
}

static void set_speed(unsigned opcode, uint32_t value, struct termios *settings)
{
	speed_t speed;
	if (opcode == TTY_OP_ISPEED && find_speed(value, &speed))
		cfsetispeed(settings, speed);
	if (opcode == TTY_OP_OSPEED && find_speed(value, &speed))
		cfsetospeed(settings, speed);
}

static void apply_mode(unsigned opcode, uint32_t value, struct termios *settings)
{
	for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++)
		if (characters[i].opcode == opcode)
			settings->c_cc[characters[i].index] = value == DISABLED ? _POSIX_VDISABLE : (cc_t)value;
	set_flag(input_flags, opcode, value, &settings->c_iflag);
	set_flag(local_flags, opcode, value, &settings->c_lflag);
	set_flag(output_flags, opcode, value, &settings->c_oflag);
	set_flag(control_flags, opcode, value, &settings->c_cflag);
	const struct flag *size = find_flag(character_sizes, opcode);
	if (size && value)
		settings->c_cflag = (settings->c_cflag & ~(tcflag_t)CSIZE) | size->bits;
	set_speed(opcode, value, settings);
}

void apply_modes(const unsigned char *modes, size_t length, struct termios *settings)
{
	for (size_t at = 0; at + 5 <= length; at += 5) {
		unsigned opcode = modes[at];
		if (opcode == TTY_OP_END || opcode >= FIRST_WITHOUT_ARGUMENT)
			return;
		const unsigned char *argument = modes + at + 1;
		uint32_t value;
		memcpy(&value, argument, sizeof value);
		apply_mode(opcode, be32toh(value), settings);
	}
}
