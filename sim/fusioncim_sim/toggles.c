/* Counts what the nets of a flat netlist do, as a VPI module of Icarus Verilog.
 *
 * Nets n<number> of the top module are looked at once per cycle, at the falling edge of `clk`: a toggle is a difference
 * from the cycle before, whatever happened in between. Nets c<number> carry clocks: each of their edges counts. Changes
 * to or from an unknown value do not count.
 *
 * The top module is that of cocotb. Written to the file $FUSIONCIM_TOGGLES: a line `cycles`, then `number toggles high` for every net, high being the
 * cycles in which it was 1 when looked at.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vpi_user.h>

typedef struct {
  vpiHandle handle;
  uint32_t number;
  uint32_t toggles;
  uint32_t high;
  uint32_t since; /* cycle of the last change */
  unsigned char value, touched, clock;
} net_t;

enum { UNKNOWN = 2 };

static net_t *nets;
static uint32_t count, cycle;
static net_t **touched;
static uint32_t touched_count;
static vpiHandle clock_handle;

static unsigned char value_of(vpiHandle handle) {
  s_vpi_value value = {.format = vpiScalarVal};
  vpi_get_value(handle, &value);
  return value.value.scalar == vpi1 ? 1 : value.value.scalar == vpi0 ? 0 : UNKNOWN;
}

static void take(net_t *net, unsigned char value) {
  if (value == net->value) return;
  if (net->value == 1) net->high += cycle - net->since;
  if (value != UNKNOWN && net->value != UNKNOWN) net->toggles++;
  net->value = value;
  net->since = cycle;
}

static PLI_INT32 changed(p_cb_data data) {
  net_t *net = (net_t *)data->user_data;
  if (net->clock) {
    take(net, value_of(net->handle));
  } else if (!net->touched) {
    net->touched = 1;
    touched[touched_count++] = net;
  }
  return 0;
}

static PLI_INT32 look(p_cb_data data) {
  (void)data;
  for (uint32_t n = 0; n < touched_count; n++) {
    touched[n]->touched = 0;
    take(touched[n], value_of(touched[n]->handle));
  }
  touched_count = 0;
  cycle++;
  return 0;
}

static PLI_INT32 clock_changed(p_cb_data data) {
  (void)data;
  if (value_of(clock_handle) == 0) {
    s_vpi_time now = {.type = vpiSimTime};
    s_cb_data callback = {.reason = cbReadOnlySynch, .cb_rtn = look, .time = &now};
    vpi_register_cb(&callback);
  }
  return 0;
}

static void on_change(vpiHandle handle, PLI_INT32 (*routine)(p_cb_data), void *data) {
  static s_vpi_time no_time = {.type = vpiSuppressTime};
  static s_vpi_value no_value = {.format = vpiSuppressVal};
  s_cb_data callback = {.reason = cbValueChange, .cb_rtn = routine, .obj = handle, .time = &no_time,
                        .value = &no_value, .user_data = data};
  vpi_register_cb(&callback);
}

static PLI_INT32 start(p_cb_data data) {
  (void)data;
  const char *name = getenv("COCOTB_TOPLEVEL");
  vpiHandle top = name ? vpi_handle_by_name((char *)name, NULL) : NULL, handle;
  uint32_t room = 1024;
  nets = malloc(room * sizeof *nets);
  vpiHandle iterator = top ? vpi_iterate(vpiNet, top) : NULL;
  while (iterator && (handle = vpi_scan(iterator))) {
    name = vpi_get_str(vpiName, handle);
    if (!strcmp(name, "clk")) clock_handle = handle;
    char *end;
    unsigned long number = strtoul(name + 1, &end, 10);
    if ((name[0] != 'n' && name[0] != 'c') || end == name + 1 || *end) continue;
    if (count == room) nets = realloc(nets, (room *= 2) * sizeof *nets);
    nets[count++] = (net_t){.handle = handle, .number = number, .clock = name[0] == 'c', .value = UNKNOWN};
  }
  touched = malloc((count + 1) * sizeof *touched);
  if (!clock_handle) {
    vpi_printf("the netlist has no port clk\n");
    vpi_control(vpiFinish, 1);
    return 0;
  }
  for (uint32_t n = 0; n < count; n++) on_change(nets[n].handle, changed, &nets[n]);
  on_change(clock_handle, clock_changed, NULL);
  return 0;
}

static PLI_INT32 finish(p_cb_data data) {
  (void)data;
  const char *path = getenv("FUSIONCIM_TOGGLES");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) {
    vpi_printf("FUSIONCIM_TOGGLES must name a file that can be written\n");
    return 0;
  }
  fprintf(file, "%u\n", cycle);
  for (uint32_t n = 0; n < count; n++) {
    if (nets[n].value == 1) nets[n].high += cycle - nets[n].since;
    fprintf(file, "%u %u %u\n", nets[n].number, nets[n].toggles, nets[n].high);
  }
  fclose(file);
  return 0;
}

static void startup(void) {
  s_cb_data at_start = {.reason = cbStartOfSimulation, .cb_rtn = start};
  s_cb_data at_end = {.reason = cbEndOfSimulation, .cb_rtn = finish};
  vpi_register_cb(&at_start);
  vpi_register_cb(&at_end);
}

void (*vlog_startup_routines[])(void) = {startup, 0};
