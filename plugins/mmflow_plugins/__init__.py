"""The plugins that ship with mmflow, found by entry points like anyone's."""
