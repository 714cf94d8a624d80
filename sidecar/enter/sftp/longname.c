#include "longname.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFREG:
		return '-';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFSOCK:
		return 's';
	case S_IFIFO:
		return 'p';
	default:
		return '?';
	}
}

/* rwx for one of user, group, others; `special` replaces x where the set-id or sticky bit is on. */
static void write_triad(char triad[3], mode_t bits, bool has_special, char special)
{
	const char without_execute = has_special ? (char)(special - 'a' + 'A') : '-';
	const char with_execute = has_special ? special : 'x';

	triad[0] = bits & 4 ? 'r' : '-';
	triad[1] = bits & 2 ? 'w' : '-';
	triad[2] = bits & 1 ? with_execute : without_execute;
}

enum { MODE_LETTERS = 10 };

static void write_mode(char text[MODE_LETTERS + 1], mode_t mode)
{
	text[0] = type_letter(mode);
	write_triad(text + 1, mode >> 6, mode & S_ISUID, 's');
	write_triad(text + 4, mode >> 3, mode & S_ISGID, 's');
	write_triad(text + 7, mode, mode & S_ISVTX, 't');
	text[MODE_LETTERS] = '\0';
}

struct date {
	int64_t year;
	unsigned month; /* 0 is January */
	unsigned day;
	unsigned hour;
	unsigned minute;
};

/*
 * Seconds since 1970 as a date, by Howard Hinnant's civil_from_days: years begin on 1 March, so that leap days come
 * last, and repeat after 400. Not gmtime_r and strftime: glibc's read the time zone file of whatever root we are in.
 */
static struct date utc_date(int64_t seconds)
{
	int64_t second_of_day = seconds % 86400;
	if (second_of_day < 0)
		second_of_day += 86400;
	const int64_t day_number = (seconds - second_of_day) / 86400 + 719468; /* since 1 March of the year 0 */
	const int64_t era = (day_number >= 0 ? day_number : day_number - 146096) / 146097;
	const unsigned day_of_era = (unsigned)(day_number - era * 146097);
	const unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const unsigned month_from_march = (5 * day_of_year + 2) / 153;

	return (struct date){
		.year = era * 400 + year_of_era + (month_from_march >= 10),
		.month = (month_from_march + 2) % 12,
		.day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
		.hour = (unsigned)second_of_day / 3600,
		.minute = (unsigned)second_of_day / 60 % 60,
	};
}

enum { DATE_SIZE = 40 };

/* As ls does: the time of day for the last half year, the year for anything else. */
static void write_date(char text[DATE_SIZE], time_t time, time_t now)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	/* A minute ahead is not yet the future: time(2) lags behind the clock of files, and so may the clock of a server. */
	enum { MINUTE = 60, HALF_A_YEAR = 365 * 24 * 60 * 60 / 2 };
	const struct date date = utc_date(time);

	if (time <= now + MINUTE && time > now - HALF_A_YEAR)
		snprintf(text, DATE_SIZE, "%s %2u %02u:%02u", months[date.month], date.day, date.hour, date.minute);
	else
		snprintf(text, DATE_SIZE, "%s %2u  %" PRId64, months[date.month], date.day, date.year);
}

void reply_longname(struct replies *replies, const char *name, const struct stat *stat, time_t now)
{
	char mode[MODE_LETTERS + 1];
	char date[DATE_SIZE];
	char line[160];

	write_mode(mode, stat->st_mode);
	write_date(date, stat->st_mtime, now);
	const size_t length = (size_t)snprintf(line, sizeof line, "%s %3ju %-8u %-8u %8jd %s ", mode,
					       (uintmax_t)stat->st_nlink, stat->st_uid, stat->st_gid,
					       (intmax_t)stat->st_size, date);
	const size_t name_length = strlen(name);

	reply_u32(replies, (uint32_t)(length + name_length));
	reply_bytes(replies, line, length);
	reply_bytes(replies, name, name_length);
}
